//! Cancelling, pausing across processes, queueing, abandoning, and failures that end a run at once.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::record::RunStatus;
use gepa_engine::{EventBody, Fact, RunEnd, RunId, StopReason, Store, abandon};
use gepa_evaluation::{
    Evaluation, ModelError, ModelErrorKind, Outcome, RolloutRequest, Stage, Usage,
};
use gepa_testing::ScriptedModel;
use tokio::sync::Semaphore;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{World, count, decisions, journal, judge, memory};

async fn status(store: &Arc<dyn Store>, run: &RunId) -> RunStatus {
    store.run(run).await.unwrap().summary.status
}

/// A probe that takes a few milliseconds, and a semaphore raised when `stage` is reached.
fn signalling(stage: Stage) -> (Probe, Arc<Semaphore>) {
    let reached = Arc::new(Semaphore::new(0));
    let signal = Arc::clone(&reached);
    let probe = Probe::new().waiting(move |request| {
        if request.stage == stage {
            signal.add_permits(1);
        }
        Duration::from_millis(2)
    });
    (probe, reached)
}

async fn check_cancelled_during(stage: Stage) {
    let world = World::new();
    let store = memory();
    let (probe, reached) = signalling(stage);
    let handle = world.builder(&store, probe.shared()).start().await.unwrap();
    let _permit = reached.acquire().await.unwrap();
    handle.control().cancel();
    let result = handle.finish().await.unwrap();
    let summary = &result.run.summary;
    assert_eq!(result.end, RunEnd::Finished(StopReason::Cancelled));
    assert_eq!(summary.status, RunStatus::Cancelled);
    assert!(!StopReason::Cancelled.is_failure());
    if stage != Stage::ValidationBaseline {
        assert_eq!(summary.counters.validation_rollouts_executed, 0);
    }
    let snapshots = store.snapshots(&result.run.run_id).await.unwrap();
    assert_eq!(
        snapshots
            .last()
            .is_some_and(|last| last.tag.as_str() == "final"),
        result.best.is_some()
    );
    check_sums(&store, &result).await;
    let again = world.builder(&store, Probe::new().shared());
    let again = again.resume(result.run.run_id.clone()).await.unwrap();
    assert_eq!(again.finish().await.unwrap().run, result.run);
}

#[tokio::test]
async fn a_cancelled_run_ends_at_once_wherever_it_stands() {
    for stage in [
        Stage::Seed,
        Stage::MinibatchParent,
        Stage::Pareto,
        Stage::ValidationBaseline,
    ] {
        Box::pin(check_cancelled_during(stage)).await;
    }
}

#[tokio::test]
async fn a_fatal_failure_ends_the_run_with_its_message() {
    for stage in [Stage::Seed, Stage::Pareto, Stage::ValidationTopK] {
        let world = World::new();
        let evaluator = Probe::new().answering(move |request: &RolloutRequest| {
            Evaluation::free(if request.stage == stage {
                Outcome::fatal("the key was refused")
            } else {
                judge(request)
            })
        });
        let finished = world.finish(evaluator.shared()).await;
        let RunEnd::Finished(reason) = &finished.result.end else {
            panic!("{:?}", finished.result.end);
        };
        assert!(reason.is_failure() && reason.to_string().contains("the key was refused"));
        assert_eq!(finished.result.run.summary.status, RunStatus::Failed);
        check_sums(&finished.store, &finished.result).await;
        let run = finished.result.run.run_id.clone();
        let again = world.builder(&finished.store, Probe::new().shared());
        let again = again.resume(run).await.unwrap().finish().await.unwrap();
        assert_eq!(again.run, finished.result.run);
    }
}

#[tokio::test]
async fn a_reflection_key_that_is_refused_fails_the_run_after_one_call() {
    let world = World::new();
    let store = memory();
    let refusing = ScriptedModel::new(|_| {
        Err(ModelError {
            kind: ModelErrorKind::KeyRejected,
            message: "401, check the key in GROQ_API_KEY".to_owned(),
            usage: Usage::default(),
        })
    });
    let builder = world.builder(&store, Probe::new().shared());
    let handle = builder
        .reflection_model(Arc::new(refusing))
        .start()
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    let RunEnd::Finished(reason @ StopReason::ReflectionFailures { accepted: 0, .. }) = &result.end
    else {
        panic!("{:?}", result.end);
    };
    assert!(reason.to_string().contains("GROQ_API_KEY"));
    assert_eq!(result.run.summary.status, RunStatus::Failed);
    assert_eq!(result.run.summary.counters.validation_rollouts_executed, 0);
    let calls = result.run.summary.counters.reflection_calls;
    assert!(calls <= u64::from(world.settings.run.gate_lag), "{calls}");
}

#[tokio::test]
async fn a_pause_survives_the_process_and_changes_no_decision() {
    let world = World::new();
    let store = memory();
    let (probe, reached) = signalling(Stage::Pareto);
    let handle = world.builder(&store, probe.shared()).start().await.unwrap();
    let run = handle.run_id().clone();
    let _permit = reached.acquire().await.unwrap();
    handle.control().pause();
    handle.control().pause();
    handle.control().interrupt("test");
    handle.finish().await.unwrap();
    assert_eq!(status(&store, &run).await, RunStatus::Paused);

    let idle = Probe::new().shared();
    let handle = world.builder(&store, Arc::clone(&idle) as _);
    let handle = handle.resume(run.clone()).await.unwrap();
    let resumed = |body: &EventBody| matches!(body, EventBody::Fact(Fact::RunResumed(_)));
    while count(&journal(&store, &run).await, resumed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(idle.begun(), 0);
    assert_eq!(status(&store, &run).await, RunStatus::Paused);
    handle.control().resume();
    let result = handle.finish().await.unwrap();
    assert!(matches!(result.end, RunEnd::Finished(_)));
    let events = journal(&store, &run).await;
    assert_eq!(
        count(&events, |body| matches!(
            body,
            EventBody::Fact(Fact::RunPaused(_))
        )),
        1
    );
    assert_eq!(
        count(&events, |body| matches!(
            body,
            EventBody::Fact(Fact::RunContinued(_))
        )),
        1
    );
    let whole = world.finish(Probe::new().shared()).await;
    let lineage = |decisions: Vec<String>| -> Vec<String> {
        let kept = decisions.into_iter();
        kept.filter(|text| !text.contains("run_finished")).collect()
    };
    assert_eq!(
        lineage(decisions(&events)),
        lineage(decisions(&whole.journal().await))
    );
}

#[tokio::test]
async fn a_created_run_waits_in_the_store_until_it_is_taken_up() {
    let world = World::new();
    let store = memory();
    let created = world
        .builder(&store, Probe::new().shared())
        .create()
        .await
        .unwrap();
    assert_eq!(status(&store, &created.run_id).await, RunStatus::Queued);
    assert!(journal(&store, &created.run_id).await.is_empty());
    let builder = world.builder(&store, Probe::new().shared());
    let handle = builder.resume(created.run_id.clone()).await.unwrap();
    let result = handle.finish().await.unwrap();
    let events = journal(&store, &created.run_id).await;
    let resumptions = count(&events, |body| {
        matches!(body, EventBody::Fact(Fact::RunResumed(_)))
    });
    assert_eq!(resumptions, 0);
    let whole = world.finish(Probe::new().shared()).await;
    assert_eq!(decisions(&events), decisions(&whole.journal().await));
    check_sums(&store, &result).await;
}

#[tokio::test]
async fn an_abandoned_run_is_over_with_the_reason_given() {
    let world = World::new();
    let store = memory();
    let (probe, reached) = signalling(Stage::Pareto);
    let handle = world.builder(&store, probe.shared()).start().await.unwrap();
    let run = handle.run_id().clone();
    let _permit = reached.acquire().await.unwrap();
    let reason = StopReason::Outage {
        minutes: 30,
        message: "connection refused".to_owned(),
    };
    assert!(abandon(&*store, &run, reason.clone()).await.is_err());
    handle.control().abort("test");
    handle.finish().await.unwrap();
    abandon(&*store, &run, reason.clone()).await.unwrap();
    abandon(&*store, &run, StopReason::Cancelled).await.unwrap();
    let stored = store.run(&run).await.unwrap();
    assert_eq!(stored.summary.status, RunStatus::Failed);
    assert_eq!(stored.summary.stop_reason, Some(reason));
    assert!(stored.summary.finished_at.is_some());
    let again = world.builder(&store, Probe::new().shared());
    let again = again.resume(run).await.unwrap().finish().await.unwrap();
    assert_eq!(again.run, stored);
}

#[tokio::test]
async fn a_run_that_executed_nothing_fails_and_says_so() {
    let mut world = World::new();
    world.settings.budget.max_seconds = Some(1e-9);
    let finished = world
        .finish(Probe::new().waiting(|_| Duration::from_secs(5)).shared())
        .await;
    let RunEnd::Finished(StopReason::NoRollouts { cause }) = &finished.result.end else {
        panic!("{:?}", finished.result.end);
    };
    assert!(cause.contains("time budget"), "{cause}");
    assert_eq!(finished.result.run.summary.status, RunStatus::Failed);
}
