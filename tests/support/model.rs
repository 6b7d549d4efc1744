//! A model on loopback. It gives more right answers the more rules its instruction holds. As the
//! reflection model it adds one rule.

use std::time::Duration;

use gepa_testing::{FaultPlan, Ledger, ModelCall, ModelReply, ModelServer};
use tokio::runtime::Runtime;

/// The beginning of the built-in reflection prompt.
const REFLECTION: &str = "You improve the instructions";

/// A server with the runtime that it runs on.
pub(crate) struct Server {
    server: ModelServer,
    runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(FaultPlan::none(), Duration::ZERO)
    }

    pub(crate) fn with(faults: FaultPlan, latency: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = ModelServer::answering(reply)
            .faults(faults)
            .latency(latency)
            .keeping(100_000);
        let server = runtime.block_on(server.start()).unwrap();
        Self { server, runtime }
    }

    /// A server whose reflections take this long, and rollouts no time.
    pub(crate) fn with_slow_reflections(latency: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let server = ModelServer::answering(reply)
            .latency_by(move |call| {
                if is_reflection(call) {
                    latency
                } else {
                    Duration::ZERO
                }
            })
            .keeping(100_000);
        let server = runtime.block_on(server.start()).unwrap();
        Self { server, runtime }
    }

    pub(crate) fn base_url(&self) -> String {
        self.server.base_url()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.server.ledger()
    }

    /// Waits until the server's counts satisfy a condition.
    pub(crate) fn wait_until(&self, condition: impl Fn(&Ledger) -> bool) {
        self.runtime.block_on(async {
            while !condition(&self.server.ledger()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}

/// Whether a call asks for another text.
pub(crate) fn is_reflection(call: &ModelCall) -> bool {
    call.last_message().starts_with(REFLECTION)
}

fn reply(call: &ModelCall) -> ModelReply {
    if is_reflection(call) {
        let present = call
            .last_message()
            .split("```")
            .nth(1)
            .unwrap_or_default()
            .trim();
        let next = present.matches("rule").count() + 1;
        return ModelReply::text(format!("Better:\n```\n{present}\nrule {next}\n```"));
    }
    ModelReply::text(answer(call.message(0), call.last_message()))
}

/// The policy's answer. It is right for the ages that the rules of the instruction cover.
pub(crate) fn answer(instruction: &str, question: &str) -> &'static str {
    let age: usize = question
        .trim_start_matches("age: ")
        .trim()
        .parse()
        .unwrap_or_default();
    let rules = instruction.matches("rule").count();
    let is_covered = age * 7 % 10 < 3 + 2 * rules;
    if is_covered == (age > 50) {
        "yes"
    } else {
        "no"
    }
}
