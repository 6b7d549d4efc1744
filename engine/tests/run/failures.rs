//! Failures have a type, are tried again where a retry can help, and never count as a score of
//! zero.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_engine::record::{
    CandidateRow, ReflectionRow, RolloutRow, RunRow, RunStatus, SnapshotRow, TrialRow,
};
use gepa_engine::{
    Claim, ClaimToken, Event, EventBody, Fact, LabelChange, RunEnd, RunError, RunId, RunLabels,
    Seq, StopReason, Store, StoreError,
};
use gepa_evaluation::{Evaluation, FailureKind, Outcome};

use crate::probe::{Probe, seven_tokens};
use crate::records::check_sums;
use crate::world::{World, decisions, hash, journal, judge, memory};

#[tokio::test]
async fn attempts_are_bounded_and_the_usage_of_all_of_them_is_counted_once() {
    let world = World::new();
    let always = |request: &gepa_evaluation::RolloutRequest| {
        let outcome = if hash(&request.example.to_string()).is_multiple_of(5) {
            Outcome::failed(FailureKind::Transient, "overloaded")
        } else {
            judge(request)
        };
        Evaluation::with_usage(outcome, seven_tokens())
    };
    let finished = world.finish(Probe::new().answering(always).shared()).await;
    check_sums(&finished.store, &finished.result).await;
    let run = &finished.result.run.run_id;
    let rows = finished
        .store
        .rollouts(run, Seq(0), usize::MAX)
        .await
        .unwrap();
    let failed: Vec<&RolloutRow> = rows.iter().filter(|row| row.score.is_none()).collect();
    assert!(!failed.is_empty());
    for row in &rows {
        // A failed one is bought once more, where few of its trial failed.
        let expected: &[u32] = if row.score.is_none() { &[3, 6] } else { &[1] };
        assert!(expected.contains(&row.attempts), "{}", row.attempts);
        assert_eq!(row.usage.total_tokens(), 7 * u64::from(row.attempts));
    }
}

#[tokio::test]
async fn a_failed_rollout_is_no_score_and_counts_as_the_lowest() {
    let mut world = World::new();
    world.settings.budget.max_iterations = Some(0);
    let one_fails = |request: &gepa_evaluation::RolloutRequest| {
        Evaluation::free(
            if request.example == gepa_evaluation::ExampleId::Seed(100) {
                Outcome::failed(FailureKind::Permanent, "bad input")
            } else {
                Outcome::score(0.75)
            },
        )
    };
    let finished = world
        .finish(Probe::new().answering(one_fails).shared())
        .await;
    let summary = &finished.result.run.summary;
    assert_eq!(summary.baseline_score, Some(0.75 * 7.0 / 8.0));
    assert_eq!(finished.result.best.unwrap().scores.unwrap()[0], None);
    assert_eq!(summary.counters.failed_rollouts, 1);
}

#[tokio::test]
async fn a_resting_rollout_holds_no_slot() {
    let mut world = World::new();
    world.settings.run.max_concurrent = 1;
    world.settings.rollouts.backoff_seconds = 0.05;
    world.settings.budget.max_iterations = Some(0);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let one_fails = move |request: &gepa_evaluation::RolloutRequest| {
        seen.lock()
            .unwrap()
            .push((request.example.to_string(), request.attempt));
        let fails =
            request.example == gepa_evaluation::ExampleId::Seed(101) && request.attempt == 1;
        Evaluation::free(if fails {
            Outcome::failed(FailureKind::Transient, "overloaded")
        } else {
            judge(request)
        })
    };
    world
        .finish(Probe::new().answering(one_fails).shared())
        .await;
    let order = order.lock().unwrap();
    let retried = order.iter().position(|(_, attempt)| *attempt == 2);
    // The first rollout is tried alone, so a later one fails here.
    assert_eq!(order[1], ("101".to_owned(), 1));
    assert!(retried.unwrap() > 2, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_stands_still_while_a_call_waits_for_its_provider() {
    let mut world = World::new();
    world.settings.rollouts.timeout_seconds = 3.0;
    world.settings.budget.max_iterations = Some(0);
    let outage = Probe::new().waiting(|_| Duration::from_mins(1));
    let finished = world.finish(outage.while_a_call_waits().shared()).await;
    let summary = &finished.result.run.summary;
    assert_eq!(summary.status, RunStatus::Succeeded);
    assert_eq!(summary.counters.failed_rollouts, 0);
}

async fn failures_of(probe: Probe) -> Vec<(FailureKind, String, u32)> {
    let mut world = World::new();
    world.settings.rollouts.timeout_seconds = 0.02;
    world.settings.rollouts.max_attempts = 2;
    let finished = world.finish(probe.shared()).await;
    assert_eq!(finished.result.run.summary.status, RunStatus::Failed);
    assert_eq!(finished.result.best, None);
    let run = &finished.result.run.run_id;
    let rows = finished
        .store
        .rollouts(run, Seq(0), usize::MAX)
        .await
        .unwrap();
    let failures = rows.into_iter();
    failures
        .map(|row| (row.failure.unwrap(), row.error.unwrap(), row.attempts))
        .collect()
}

#[tokio::test]
async fn timeouts_panics_and_scores_that_are_no_numbers_are_typed_failures() {
    let slow = failures_of(Probe::new().waiting(|_| Duration::from_mins(1))).await;
    assert!(
        slow.iter()
            .all(|(kind, _, _)| *kind == FailureKind::Timeout)
    );
    let attempts: Vec<u32> = slow.iter().map(|(_, _, attempts)| *attempts).collect();
    assert_eq!(attempts, [2, 1], "three time limits are enough");
    let panicking = failures_of(Probe::new().answering(|_| panic!("a bug"))).await;
    let message = "the evaluator panicked".to_owned();
    assert_eq!(panicking[0], (FailureKind::Permanent, message, 1));
    for score in [f64::NAN, f64::INFINITY] {
        let odd = Probe::new().answering(move |_| Evaluation::free(Outcome::score(score)));
        assert_eq!(failures_of(odd).await[0].0, FailureKind::Permanent);
    }
}

#[tokio::test]
async fn a_seed_that_cannot_be_scored_fails_the_run_with_the_reason_and_without_validation() {
    let broken = |_: &gepa_evaluation::RolloutRequest| {
        Evaluation::with_usage(
            Outcome::failed(FailureKind::Permanent, "no such task"),
            seven_tokens(),
        )
    };
    let finished = World::new()
        .finish(Probe::new().answering(broken).shared())
        .await;
    let summary = &finished.result.run.summary;
    let expected = StopReason::EvaluatorFailures {
        // The first four failed in the same way, so the others are not bought.
        failed: 4,
        of: 4,
        message: "no such task".to_owned(),
    };
    assert_eq!(finished.result.end, RunEnd::Finished(expected));
    assert_eq!(summary.status, RunStatus::Failed);
    assert_eq!(summary.counters.total_rollouts, 4);
    check_sums(&finished.store, &finished.result).await;
}

#[tokio::test]
async fn a_run_that_gives_up_accounts_for_everything_still_in_flight() {
    let mut world = World::new();
    world.settings.run.gate_lag = 8;
    world.settings.run.pareto_lag = 8;
    let later = |request: &gepa_evaluation::RolloutRequest| {
        let outcome = if request.iteration == 0 {
            judge(request)
        } else {
            Outcome::failed(FailureKind::Transient, "the task broke")
        };
        Evaluation::with_usage(outcome, seven_tokens())
    };
    let jitter = |request: &gepa_evaluation::RolloutRequest| {
        Duration::from_micros(hash(&format!("{}{}", request.trial_id, request.example)) % 9_000)
    };
    let probe = Probe::new().answering(later).waiting(jitter).shared();
    let finished = world.finish(Arc::clone(&probe) as _).await;
    let summary = &finished.result.run.summary;
    assert!(matches!(
        &finished.result.end,
        RunEnd::Finished(StopReason::EvaluatorFailures { .. })
    ));
    assert_eq!(summary.status, RunStatus::Failed);
    assert_eq!(summary.counters.validation_rollouts_executed, 0);
    check_sums(&finished.store, &finished.result).await;
    assert_eq!(
        summary.counters.total_tokens
            - summary.counters.mutation_prompt_tokens
            - summary.counters.mutation_completion_tokens,
        7 * probe.begun() as u64
    );
}

/// A store that fails one append.
struct Breaking {
    inner: Arc<dyn Store>,
    appends_left: AtomicU64,
}

#[async_trait]
impl Store for Breaking {
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError> {
        self.inner.create_run(run).await
    }
    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError> {
        self.inner.claim(run).await
    }
    async fn is_claimed(&self, run: &RunId) -> Result<bool, StoreError> {
        self.inner.is_claimed(run).await
    }
    async fn append(
        &self,
        token: &ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError> {
        if self.appends_left.fetch_sub(1, Ordering::SeqCst) == 0 {
            return Err(StoreError::Storage("the disk is full".to_owned()));
        }
        self.inner.append(token, after, events).await
    }
    async fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        self.inner.runs().await
    }
    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError> {
        self.inner.run(run).await
    }
    async fn events(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        self.inner.events(run, after, limit).await
    }
    async fn candidates(&self, run: &RunId) -> Result<Vec<CandidateRow>, StoreError> {
        self.inner.candidates(run).await
    }
    async fn trials(&self, run: &RunId) -> Result<Vec<TrialRow>, StoreError> {
        self.inner.trials(run).await
    }
    async fn rollouts(
        &self,
        run: &RunId,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<RolloutRow>, StoreError> {
        self.inner.rollouts(run, after, limit).await
    }
    async fn reflections(&self, run: &RunId) -> Result<Vec<ReflectionRow>, StoreError> {
        self.inner.reflections(run).await
    }
    async fn snapshots(&self, run: &RunId) -> Result<Vec<SnapshotRow>, StoreError> {
        self.inner.snapshots(run).await
    }
    async fn labels(&self) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
        self.inner.labels().await
    }
    async fn set_labels(&self, run: &RunId, change: &LabelChange) -> Result<RunLabels, StoreError> {
        self.inner.set_labels(run, change).await
    }
    async fn delete_run(&self, token: &ClaimToken) -> Result<u64, StoreError> {
        self.inner.delete_run(token).await
    }
    async fn run_bytes(&self, run: &RunId) -> Result<u64, StoreError> {
        self.inner.run_bytes(run).await
    }
    async fn compact(&self) -> Result<u64, StoreError> {
        self.inner.compact().await
    }
    async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.inner.integrity().await
    }
}

#[tokio::test]
async fn a_store_that_fails_ends_the_run_with_its_error_and_loses_no_decision() {
    let world = World::new();
    let expected = decisions(&world.finish(Probe::new().shared()).await.journal().await);
    for appends in [0, 1, 2, 9, 20] {
        let inner = memory();
        let breaking: Arc<dyn Store> = Arc::new(Breaking {
            inner: Arc::clone(&inner),
            appends_left: AtomicU64::new(appends),
        });
        let handle = world
            .builder(&breaking, Probe::new().shared())
            .start()
            .await
            .unwrap();
        let run = handle.run_id().clone();
        let error = handle.finish().await.unwrap_err();
        assert!(
            matches!(error, RunError::Store(StoreError::Storage(_))),
            "{error}"
        );
        let stored = journal(&inner, &run).await.len();
        let again = world
            .builder(&inner, Probe::new().shared())
            .resume(run.clone())
            .await
            .unwrap();
        again.finish().await.unwrap();
        let events = journal(&inner, &run).await;
        assert_eq!(decisions(&events), expected, "after {appends} appends");
        // The gap must not count as working time, so the next event marks it.
        if stored > 0 {
            let next = &events[stored].body;
            assert!(
                matches!(next, EventBody::Fact(Fact::RunResumed(_))),
                "{}",
                next.kind()
            );
        }
    }
}

#[tokio::test]
async fn a_run_that_loses_its_claim_stops_and_its_new_owner_finishes_it() {
    let world = World::new();
    let expected = decisions(&world.finish(Probe::new().shared()).await.journal().await);
    let kept = Arc::new(gepa_store::MemoryStore::new());
    let store: Arc<dyn Store> = Arc::clone(&kept) as _;
    let handle = world
        .builder(&store, Probe::new().shared())
        .start()
        .await
        .unwrap();
    let run = handle.run_id().clone();
    let mut events = handle.subscribe();
    events.recv().await.unwrap();
    kept.revoke(&run).unwrap();
    let RunEnd::Interrupted { reason, .. } = handle.finish().await.unwrap().end else {
        panic!("the run went on without its claim");
    };
    assert!(reason.contains("lost its claim"), "{reason}");
    let again = world
        .builder(&store, Probe::new().shared())
        .resume(run.clone())
        .await
        .unwrap();
    again.finish().await.unwrap();
    assert_eq!(decisions(&journal(&store, &run).await), expected);
}
