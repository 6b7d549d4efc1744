//! Rollouts that take almost no time share tasks. Nothing else about them changes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::config::Acceptance;
use gepa_engine::{EventBody, Fact, Store};
use gepa_evaluation::{Evaluation, Evaluator, EvaluatorInfo, Outcome, RolloutRequest, Stage};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::probe::Probe;
use crate::world::{World, hash, journal, judge, memory};

/// The number of calls after which rollouts are known to take no time.
const WARM: usize = 100;
/// The number of calls that begin while one waits; it exceeds the number of slots.
const MEANWHILE: usize = 8;

/// Answers at once; one call waits for later ones to begin, or every tenth panics.
#[derive(Debug)]
enum Habit {
    OneWaits,
    EveryTenthPanics,
}

#[derive(Debug)]
struct Instant {
    habit: Habit,
    begun: AtomicUsize,
    go_on: Notify,
}

impl Instant {
    fn new(habit: Habit) -> Arc<Self> {
        Arc::new(Self {
            habit,
            begun: AtomicUsize::new(0),
            go_on: Notify::new(),
        })
    }
}

#[async_trait]
impl Evaluator for Instant {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        match self.habit {
            Habit::OneWaits if number == WARM => self.go_on.notified().await,
            Habit::OneWaits if number == WARM + MEANWHILE => self.go_on.notify_one(),
            Habit::EveryTenthPanics => assert!(number % 10 != 9, "a bug in the evaluator"),
            Habit::OneWaits => {}
        }
        Evaluation::free(judge(&request))
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("instant")
    }
}

#[tokio::test]
async fn a_rollout_that_waits_keeps_no_slot_but_its_own() {
    let mut world = World::new();
    world.settings.run.max_concurrent = 4;
    world.settings.run.gate_lag = 8;
    world.settings.run.pareto_lag = 16;
    let evaluator = Instant::new(Habit::OneWaits);
    let run = world.finish(Arc::clone(&evaluator) as _);
    let finished = timeout(Duration::from_mins(1), run).await;
    assert!(finished.is_ok(), "the slots of others were held");
    assert!(evaluator.begun.load(Ordering::SeqCst) > WARM + MEANWHILE);
}

#[tokio::test]
async fn a_panic_fails_its_own_rollout_and_no_other_of_its_task() {
    let mut world = World::new();
    world.settings.rollouts.max_failure_fraction = 0.5;
    let evaluator = Instant::new(Habit::EveryTenthPanics);
    let finished = world.finish(Arc::clone(&evaluator) as _).await;
    let counters = &finished.result.run.summary.counters;
    let begun = evaluator.begun.load(Ordering::SeqCst) as u64;
    assert_eq!(counters.total_rollouts, begun);
    assert_eq!(counters.failed_rollouts, begun / 10);
}

/// One proposal after the other, so that the next one knows every outcome bought before.
#[tokio::test]
async fn what_is_forgotten_of_candidates_is_never_bought_again() {
    let mut world = World::new();
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    world.settings.search.acceptance = Acceptance::ImprovementOrEqual;
    world.settings.budget.max_rollouts = Some(6_000);
    let store: Arc<dyn Store> = memory();
    let evaluator = Probe::new().answering(|request| {
        let noise = hash(&format!(
            "{:?}{}",
            request.candidate.content_id(),
            request.example
        ));
        Evaluation::free(Outcome::score((noise % 2) as f64))
    });
    let run = world
        .builder(&store, evaluator.shared())
        .start()
        .await
        .unwrap();
    let result = run.finish().await.unwrap();
    let members = result.run.summary.counters.candidates_accepted;
    assert!(members > 80, "{members}");
    let mut known = BTreeSet::new();
    for event in journal(&store, &result.run.run_id).await {
        let EventBody::Fact(Fact::RolloutSettled(rollout)) = event.body else {
            continue;
        };
        if rollout.stage == Stage::MinibatchParent {
            let place = (rollout.candidate, rollout.example.clone());
            assert!(known.insert(place), "{rollout:?} was bought before");
        }
    }
    assert!(known.len() > 100, "{}", known.len());
}
