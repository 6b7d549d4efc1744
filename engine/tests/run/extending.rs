//! Limits that change while the final scoring has rollouts in flight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gepa_engine::config::BudgetSettings;
use gepa_engine::replay::verify;
use gepa_engine::{
    Counters, Decision, EventBody, Fact, RunEnd, RunResult, Seq, SteeredBy, Steering,
    SteeringRefused, Store,
};
use gepa_evaluation::{Evaluation, FailureKind, Outcome, Phase, RolloutRequest, Stage};
use tokio::sync::Semaphore;

use crate::probe::{Probe, seven_tokens};
use crate::records::check_sums;
use crate::world::{World, count, ids, journal, judge, memory};

/// Attempts at rollouts of the final scoring, by candidate and example.
type Attempts = Arc<Mutex<BTreeMap<String, Vec<u32>>>>;

/// A run whose limits a person changes when the final scoring is running.
struct Extended {
    store: Arc<dyn Store>,
    result: RunResult,
    probe: Arc<Probe>,
    attempts: BTreeMap<String, Vec<u32>>,
    answer: Result<Seq, SteeringRefused>,
}

/// When the limits change: `begun` rollouts of a stage have begun, each of which takes 30 ms.
struct When {
    stage: Stage,
    begun: u32,
    /// Whether the first attempt of every rollout of the seed fails.
    is_shaky: bool,
}

async fn extend(
    world: &World,
    when: When,
    change: impl FnOnce(&mut BudgetSettings, &Counters),
) -> Extended {
    let reached = Arc::new(Semaphore::new(0));
    let (signal, attempts) = (Arc::clone(&reached), Attempts::default());
    let seen = Arc::clone(&attempts);
    let answer = move |request: &RolloutRequest| {
        if request.stage.phase() == Phase::Validation {
            let name = format!("{:?} {}", request.candidate.content_id(), request.example);
            let mut seen = seen.lock().unwrap();
            seen.entry(name).or_default().push(request.attempt);
        }
        let is_first = request.stage == Stage::ValidationBaseline && request.attempt == 1;
        let outcome = if when.is_shaky && is_first {
            Outcome::failed(FailureKind::Transient, "overloaded")
        } else {
            judge(request)
        };
        Evaluation::with_usage(outcome, seven_tokens())
    };
    let wait = move |request: &RolloutRequest| {
        if request.stage == when.stage {
            signal.add_permits(1);
            return Duration::from_millis(30);
        }
        Duration::ZERO
    };
    let probe = Probe::new().answering(answer).waiting(wait).shared();
    let store = memory();
    let builder = world.builder(&store, Arc::clone(&probe) as _);
    let handle = builder.start().await.unwrap();
    let _permits = reached.acquire_many(when.begun).await.unwrap();
    let row = store.run(handle.run_id()).await.unwrap();
    let mut given = BudgetSettings::default();
    change(&mut given, &row.summary.counters);
    let steering = Steering::Extend(Box::new(given));
    let answer = handle.control().steer(steering, SteeredBy::default()).await;
    let result = handle.finish().await.unwrap();
    let attempts = attempts.lock().unwrap().clone();
    Extended {
        store,
        result,
        probe,
        attempts,
        answer,
    }
}

impl Extended {
    /// The numbers of decisions to stop and of changes of limits.
    async fn stops_and_changes(&self) -> [usize; 2] {
        let events = journal(&self.store, &self.result.run.run_id).await;
        let stops =
            |body: &EventBody| matches!(body, EventBody::Decision(Decision::StopDecided(_)));
        let changes = |body: &EventBody| matches!(body, EventBody::Fact(Fact::LimitsChanged(_)));
        [count(&events, stops), count(&events, changes)]
    }

    /// Checks the journal, the rows and that every attempt is paid for.
    async fn check(&self, world: &World) {
        assert!(matches!(self.result.end, RunEnd::Finished(_)));
        let run = &self.result.run.run_id;
        verify(&*self.store, run, &world.config()).await.unwrap();
        check_sums(&self.store, &self.result).await;
        let counters = &self.result.run.summary.counters;
        let tokens = counters.rollouts_prompt_tokens + counters.rollouts_completion_tokens;
        assert_eq!(tokens, 7 * self.probe.begun() as u64);
    }
}

fn slow_scoring() -> World {
    let mut world = World::new();
    world.sets.validation = ids(200, 20);
    world.settings.run.max_concurrent = 8;
    world
}

#[tokio::test]
async fn rollouts_in_flight_count_under_the_new_limit_and_are_not_bought_again() {
    for stage in [Stage::ValidationBaseline, Stage::ValidationTopK] {
        for limit in [320, 345, 380] {
            let world = slow_scoring();
            let when = When {
                stage,
                begun: 1,
                is_shaky: false,
            };
            let change =
                |budget: &mut BudgetSettings, _: &Counters| budget.max_rollouts = Some(limit);
            let extended = Box::pin(extend(&world, when, change)).await;
            extended.check(&world).await;
            let begun = extended.probe.begun() as u64;
            assert!(begun <= limit, "{begun} rollouts under a limit of {limit}");
            let counters = &extended.result.run.summary.counters;
            assert_eq!(counters.total_rollouts, begun);
            let twice = extended.attempts.values().filter(|all| all.len() > 1);
            assert_eq!(twice.count(), 0, "{stage:?}, limit {limit}");
            assert_eq!(extended.stops_and_changes().await, [2, 1]);
        }
    }
}

#[tokio::test]
async fn attempts_that_failed_before_the_change_are_paid_for() {
    let mut world = slow_scoring();
    world.settings.rollouts.backoff_seconds = 0.5;
    let when = When {
        stage: Stage::ValidationBaseline,
        begun: 10,
        is_shaky: true,
    };
    let change = |budget: &mut BudgetSettings, _: &Counters| budget.max_rollouts = Some(400);
    let extended = Box::pin(extend(&world, when, change)).await;
    extended.check(&world).await;
    assert_eq!(extended.stops_and_changes().await, [2, 1]);
}

#[tokio::test]
async fn a_limit_below_what_the_calls_in_flight_used_is_refused_and_the_scoring_goes_on() {
    let world = slow_scoring();
    let when = When {
        stage: Stage::ValidationBaseline,
        begun: 8,
        is_shaky: true,
    };
    let change = |budget: &mut BudgetSettings, spent: &Counters| {
        budget.max_tokens = Some(spent.total_tokens + 7);
    };
    let extended = Box::pin(extend(&world, when, change)).await;
    let refused = extended.answer.as_ref().unwrap_err().to_string();
    assert!(refused.contains("`budget.max_tokens`"), "{refused}");
    extended.check(&world).await;
    assert_eq!(extended.stops_and_changes().await, [1, 0]);
    let validation = &extended.result.run.summary.validation;
    assert!(
        validation
            .iter()
            .all(|one| one.scores.iter().all(Option::is_some))
    );
}
