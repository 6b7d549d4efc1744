//! The provider, and a task in which there is always something to improve.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use gepa_testing::{Fault, FaultPlan, ModelCall, ModelReply, ModelServer, RetryAfter};

/// The beginning of the built-in reflection prompt.
const REFLECTION: &str = "You improve the instructions";

/// Longer than the latency of any reply that arrives, so that every reply that the server counts as
/// answered reaches the client.
const TIMEOUT_SECONDS: u64 = 10;

/// A server that answers in a third of a second or so and fails one call in twenty-five.
pub(crate) async fn server() -> io::Result<ModelServer> {
    let pause = Fault::status_with_retry_after(429, RetryAfter::Seconds(1));
    let chances = [
        (0.010, Fault::status(500)),
        (0.002, Fault::status(503)),
        (0.002, Fault::status(429)),
        (0.000_2, pause),
        (0.002, Fault::ResetBeforeHeaders),
        (0.002, Fault::ResetAfterHeaders),
        (0.003, Fault::TruncatedBody),
        (0.000_5, Fault::StalledBody),
        (0.020, Fault::MissingUsage),
    ];
    let plan = chances
        .into_iter()
        .fold(FaultPlan::none(), |plan, (chance, fault)| {
            plan.with_probability(11, chance, fault)
        });
    ModelServer::answering(reply)
        .faults(plan)
        .latency_by(|call| Duration::from_millis(200 + hash(call.last_message()) % 400))
        .keeping(0)
        .start()
        .await
}

/// Answers six questions in ten rightly; the instruction decides which. No instruction is perfect,
/// so there is always something to try.
fn reply(call: &ModelCall) -> ModelReply {
    if call.last_message().starts_with(REFLECTION) {
        let rule = hash(call.last_message());
        return ModelReply::text(format!("```\nAnswer yes or no. Rule {rule}.\n```"));
    }
    let is_right = hash(&format!("{}{}", call.message(0), call.last_message())) % 10 < 6;
    ModelReply::text(if is_right { "yes" } else { "no" })
}

pub(crate) fn rows() -> String {
    (0..400).fold(String::new(), |mut rows, number| {
        writeln!(
            rows,
            r#"{{"id": "q-{number}", "question": {number}, "answer": "yes"}}"#
        )
        .expect("a string takes everything");
        rows
    })
}

/// A config with a price of one dollar a token, so that costs are not rounded. Every reply without
/// usage counts as a call without a price.
pub(crate) fn config(base_url: &str, slots: u32) -> String {
    format!(
        r#"[run]
name = "soak"
seed = 7
max_concurrent = {slots}
gate_lag = 32
pareto_lag = 64

[dataset]
path = "rows.jsonl"
id_column = "id"

[dataset.split]
train = {{ count = 200 }}
pareto = {{ count = 100 }}
validation = {{ count = 100 }}

[[prompt.messages]]
role = "system"
component = "instruction"
pattern = "Answer yes or no."

[[prompt.messages]]
role = "user"
pattern = "question: {{question}}"

[scorer]
kind = "exact"

[budget]
max_rollouts = 100000000

[policy]
provider = "local"
model = "learner"
base_url = "{base_url}"
timeout_seconds = {TIMEOUT_SECONDS}.0

[providers.local]
max_concurrent = {slots}

[[prices]]
provider = "local"
model = "learner"
prompt_usd_per_million = 1000000.0
completion_usd_per_million = 1000000.0
"#
    )
}

fn hash(text: &str) -> u64 {
    let hash = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
}
