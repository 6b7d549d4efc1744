//! Interrupted and aborted runs go on as if nothing had happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gepa_engine::config::Duplicates;
use gepa_engine::{EventBody, Fact, RunEnd, RunId, RunResult, Store};
use gepa_evaluation::{Evaluation, FailureKind, Outcome, RolloutRequest};

use crate::probe::{Probe, seven_tokens};
use crate::records::check_sums;
use crate::world::{World, count, decisions, hash, journal, judge, memory};

fn slow(request: &RolloutRequest) -> Duration {
    Duration::from_micros(hash(&format!("{}{}", request.trial_id, request.example)) % 1_500)
}

/// Fails the first attempt on every third example.
fn flaky(request: &RolloutRequest) -> Evaluation {
    let draw = hash(&format!("{}{}", request.trial_id, request.example));
    let fails = request.attempt == 1 && draw.is_multiple_of(3);
    let outcome = if fails {
        Outcome::failed(FailureKind::Transient, "overloaded")
    } else {
        judge(request)
    };
    Evaluation::with_usage(outcome, seven_tokens())
}

/// Works on the run repeatedly, and stops it each time after another delay, until it is over.
async fn with_stops(world: &World, store: &Arc<dyn Store>, abort: bool, flaws: bool) -> RunResult {
    let probe = || {
        let probe = Probe::new().waiting(slow);
        if flaws { probe.answering(flaky) } else { probe }.shared()
    };
    let mut run: Option<RunId> = None;
    for round in 0_u64.. {
        let builder = world.builder(store, probe());
        let handle = match run.clone() {
            None => builder.start().await,
            Some(run_id) => builder.resume(run_id).await,
        }
        .unwrap();
        run = Some(handle.run_id().clone());
        let control = handle.control();
        let patience =
            Duration::from_micros(1_000 + hash(&round.to_string()) % 9_000 + round * 200);
        let stopper = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            if abort {
                control.abort("test");
            } else {
                control.interrupt("test");
            }
        });
        let result = handle.finish().await.unwrap();
        stopper.abort();
        if matches!(result.end, RunEnd::Finished(_)) {
            return result;
        }
    }
    unreachable!("the loop has no other end")
}

async fn check(store: Arc<dyn Store>, abort: bool, flaws: bool) {
    Box::pin(check_in(&World::new(), store, abort, flaws)).await;
}

async fn check_in(world: &World, store: Arc<dyn Store>, abort: bool, flaws: bool) {
    let answer = if flaws {
        flaky
    } else {
        |request: &RolloutRequest| Evaluation::with_usage(judge(request), seven_tokens())
    };
    let whole = world.finish(Probe::new().answering(answer).shared()).await;
    let expected = decisions(&whole.journal().await);

    let result = with_stops(world, &store, abort, flaws).await;
    let events = journal(&store, &result.run.run_id).await;
    assert!(
        count(&events, |body| matches!(
            body,
            EventBody::Fact(Fact::RunResumed(_))
        )) > 1
    );
    let made = decisions(&events);
    let lineage = |decisions: &[String]| -> Vec<String> {
        // The counters hold the number of attempts, which is not a decision.
        let kept = decisions
            .iter()
            .filter(|text| !text.contains("run_finished"));
        kept.cloned().collect()
    };
    assert_eq!(lineage(&expected), lineage(&made));
    let (left, right) = (&whole.result.run.summary, &result.run.summary);
    assert_eq!(left.counters.total_rollouts, right.counters.total_rollouts);
    assert_eq!(left.validation, right.validation);
    assert_eq!(right.counters.failed_rollouts, 0);
    check_sums(&store, &result).await;
}

#[tokio::test]
async fn a_drained_run_goes_on_as_if_it_had_never_stopped() {
    Box::pin(check(memory(), false, false)).await;
}

#[tokio::test]
async fn an_aborted_run_goes_on_as_if_it_had_never_stopped() {
    Box::pin(check(memory(), true, false)).await;
}

#[tokio::test]
async fn rollouts_between_two_attempts_survive_a_drain() {
    Box::pin(check(memory(), false, true)).await;
}

#[tokio::test]
async fn rollouts_between_two_attempts_survive_an_abort() {
    Box::pin(check(memory(), true, true)).await;
}

#[tokio::test]
async fn an_aborted_run_in_sqlite_goes_on_as_if_it_had_never_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("x.db").display());
    Box::pin(check(gepa_store::open(&url).unwrap(), true, true)).await;
}

#[tokio::test]
async fn a_run_in_generations_goes_on_as_if_it_had_never_stopped() {
    let mut world = World::new();
    world.settings.search.parents_per_generation = 2;
    world.settings.search.batches_per_parent = 2;
    world.settings.search.keep_best = Some(2);
    world.settings.search.duplicates = Duplicates::Keep;
    world.settings.search.reuse_outcomes = Some(true);
    world.settings.merge.enabled = true;
    world.settings.run.gate_lag = 2;
    world.settings.run.pareto_lag = 3;
    Box::pin(check_in(&world, memory(), true, true)).await;
}

#[tokio::test]
async fn a_drained_run_executes_no_rollout_twice() {
    let world = World::new();
    let store = memory();
    let probe = Probe::new().waiting(slow).shared();
    let handle = world
        .builder(&store, Arc::clone(&probe) as _)
        .start()
        .await
        .unwrap();
    let run = handle.run_id().clone();
    tokio::time::sleep(Duration::from_millis(8)).await;
    handle.control().interrupt("test");
    handle.finish().await.unwrap();
    let again = world
        .builder(&store, Arc::clone(&probe) as _)
        .resume(run)
        .await
        .unwrap();
    let result = again.finish().await.unwrap();
    assert_eq!(probe.most_repeated(), 1);
    assert_eq!(
        result.run.summary.counters.total_rollouts,
        probe.begun() as u64
    );
}

#[tokio::test]
async fn a_finished_run_gives_its_result_again() {
    let world = World::new();
    let first = world.finish(Probe::new().shared()).await;
    let run = first.result.run.run_id.clone();
    let handle = world
        .builder(&first.store, Probe::new().shared())
        .resume(run)
        .await
        .unwrap();
    let second = handle.finish().await.unwrap();
    assert_eq!(second.end, first.result.end);
    assert_eq!(second.run, first.result.run);
}

#[tokio::test]
async fn a_provider_that_is_down_pauses_the_run_and_settles_nothing() {
    let world = World::new();
    let store = memory();
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    let failing = Probe::new().answering(move |request| {
        let mut evaluation = Evaluation::free(judge(request));
        if counter.fetch_add(1, Ordering::SeqCst) >= 40 {
            evaluation.outcome = Outcome::failed(FailureKind::Transient, "connection refused");
            evaluation.provider_down = true;
        }
        evaluation
    });
    let handle = world
        .builder(&store, failing.shared())
        .start()
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    let reason = "connection refused".to_owned();
    assert_eq!(
        result.end,
        RunEnd::Interrupted {
            reason,
            provider_down: true,
            goes_on_at: None,
        }
    );
    assert_eq!(result.run.summary.counters.total_rollouts, 40);
    assert_eq!(result.run.summary.counters.failed_rollouts, 0);

    let free = || {
        Probe::new()
            .answering(|request| Evaluation::free(judge(request)))
            .shared()
    };
    let run = result.run.run_id;
    let handle = world
        .builder(&store, free())
        .resume(run.clone())
        .await
        .unwrap();
    handle.finish().await.unwrap();
    let whole = world.finish(free()).await;
    let made = decisions(&journal(&store, &run).await);
    assert_eq!(made, decisions(&whole.journal().await));
}

#[tokio::test]
async fn what_a_provider_charged_before_it_went_down_is_accounted_for() {
    let world = World::new();
    let store = memory();
    let failing = Probe::new().answering(|_| {
        let outcome = Outcome::failed(FailureKind::Permanent, "gone in the middle");
        let mut evaluation = Evaluation::with_usage(outcome, seven_tokens());
        evaluation.provider_down = true;
        evaluation
    });
    let handle = world
        .builder(&store, failing.shared())
        .start()
        .await
        .unwrap();
    let down = handle.finish().await.unwrap();
    let charged = down.run.summary.counters.total_tokens;
    // The first rollout is tried alone.
    assert_eq!(charged, 7);
    let run = down.run.run_id.clone();
    let handle = world
        .builder(&store, Probe::new().shared())
        .resume(run)
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    assert!(matches!(result.end, RunEnd::Finished(_)));
    assert_eq!(result.run.summary.counters.failed_rollouts, 0);
    check_sums(&store, &result).await;
}
