//! Plays a scenario: a provider, its clients, and the result.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gepa_evaluation::{ChatRequest, LanguageModel, Message, Purpose};
use gepa_models::{Environment, ModelSettings, Models, ProviderSettings};
use gepa_testing::{CapacityPlan, Demand, ModelReply, ModelServer, PeriodBooks, oracle};
use indexmap::IndexMap;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::scenarios::Scenario;

const MOST_CALLS_AT_ONCE: u32 = 256;
const PROMPT_TOKENS: u64 = 300;

/// The result of a scenario.
pub(crate) struct Played {
    pub(crate) scenario: Scenario,
    pub(crate) ours: Vec<PeriodBooks>,
    pub(crate) best: Vec<PeriodBooks>,
    /// Calls served of each run.
    pub(crate) by_run: Vec<u64>,
}

/// Plays a scenario in real time.
pub(crate) async fn play(scenario: Scenario) -> Result<Played, Box<dyn Error>> {
    let plan = scenario.plan.clone();
    let server = ModelServer::answering(|call| {
        ModelReply::text("yes").reporting(PROMPT_TOKENS, completion_tokens(call.last_message()))
    })
    .capacity(plan.clone())
    .keeping(0)
    .start()
    .await?;
    let models = Models::new(Environment::default());
    let counts: Vec<Arc<AtomicU64>> = scenario.runs.iter().map(|_| Arc::default()).collect();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for (run, tasks_of_run) in scenario.runs.iter().enumerate() {
        let model = models
            .for_run()
            .connect(&settings(&server), &limits(&scenario), &[])?;
        for _ in 0..*tasks_of_run {
            let (model, next, count) = (
                Arc::clone(&model),
                Arc::clone(&next),
                Arc::clone(&counts[run]),
            );
            tasks.spawn(call_on_and_on(model, next, count));
        }
    }
    sleep(plan.lasts()).await;
    tasks.shutdown().await;
    Ok(Played {
        ours: server.periods(),
        best: oracle(&plan, |number| demand(&plan, number)),
        by_run: counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect(),
        scenario,
    })
}

async fn call_on_and_on(
    model: Arc<dyn LanguageModel>,
    next: Arc<AtomicU64>,
    served: Arc<AtomicU64>,
) {
    loop {
        let text = text(next.fetch_add(1, Ordering::Relaxed));
        let request = ChatRequest {
            messages: vec![Message::new("user", text)],
            purpose: Purpose::Rollout,
        };
        if model.complete(request).await.is_ok() {
            served.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn settings(server: &ModelServer) -> ModelSettings {
    ModelSettings {
        base_url: Some(server.base_url()),
        max_tokens: Some(700),
        ..ModelSettings::new("loopback", "m")
    }
}

fn limits(scenario: &Scenario) -> IndexMap<String, ProviderSettings> {
    let period = scenario.plan.periods.first().filter(|_| scenario.is_told);
    let requests = period.and_then(|period| period.requests_per_minute);
    let settings = ProviderSettings {
        max_concurrent: Some(MOST_CALLS_AT_ONCE),
        requests_per_minute: requests.and_then(|limit| u32::try_from(limit).ok()),
        tokens_per_minute: period.and_then(|period| period.tokens_per_minute),
        ..ProviderSettings::default()
    };
    IndexMap::from([("loopback".to_owned(), settings)])
}

fn text(number: u64) -> String {
    format!("call {number}")
}

/// A hundred to seven hundred, by the number in the text.
fn completion_tokens(text: &str) -> u64 {
    let number = text
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok());
    100 + number.unwrap_or(0_u64).wrapping_mul(7_919) % 600
}

fn demand(plan: &CapacityPlan, number: u64) -> Demand {
    let text = text(number);
    Demand {
        service: plan.service_time(&text),
        tokens: PROMPT_TOKENS + completion_tokens(&text),
    }
}

/// How long after the beginning of a period calls were first served at nine tenths of the best
/// possible rate, over a second; `None` if never.
pub(crate) fn recovered_after(ours: &PeriodBooks, best: &PeriodBooks) -> Option<Duration> {
    const BIN: Duration = Duration::from_millis(250);
    const SECOND: usize = 4;
    let per_second = |books: &PeriodBooks, from: usize| -> u32 {
        books.bins.iter().skip(from).take(SECOND).sum()
    };
    let last = best.bins.len().saturating_sub(SECOND);
    (0..=last)
        .find(|from| f64::from(per_second(ours, *from)) >= 0.9 * f64::from(per_second(best, *from)))
        .map(|bins| BIN * bins as u32)
}
