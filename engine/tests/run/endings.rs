//! Stopping, pausing and steering a run from outside.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gepa_archive::{Candidate, Origin};
use gepa_engine::record::{RunStatus, Tables};
use gepa_engine::{Event, EventBody, Fact, RunControl, RunEnd, RunInterrupted, Seq, StopReason};
use gepa_evaluation::{Evaluation, Phase, Stage};
use tokio::sync::Semaphore;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, count, journal, judge, memory};

/// Stops a run once the first rollout of a stage is running.
async fn stopped_during(stage: Stage) -> Finished {
    let world = World::new();
    let store = memory();
    let reached = Arc::new(Semaphore::new(0));
    let signal = Arc::clone(&reached);
    let probe = Probe::new().waiting(move |request| {
        if request.stage == stage {
            signal.add_permits(1);
        }
        Duration::from_millis(2)
    });
    let mut world = world;
    world.settings.run.max_concurrent = 2;
    let handle = world.builder(&store, probe.shared()).start().await.unwrap();
    let _permit = reached.acquire().await.unwrap();
    handle.control().stop();
    let result = handle.finish().await.unwrap();
    check_sums(&store, &result).await;
    Finished { store, result }
}

#[tokio::test]
async fn a_stopped_search_finishes_what_is_in_flight_and_is_validated() {
    let finished = stopped_during(Stage::Pareto).await;
    let summary = &finished.result.run.summary;
    assert_eq!(finished.result.end, RunEnd::Finished(StopReason::Requested));
    assert_eq!(summary.status, RunStatus::Succeeded);
    assert!(summary.baseline_validation_score.is_some());
    assert!(summary.counters.validation_rollouts_executed >= 6);
    let stops = |body: &EventBody| matches!(body, EventBody::Fact(Fact::StopRequested(_)));
    assert_eq!(count(&finished.journal().await, stops), 1);
}

#[tokio::test]
async fn nothing_starts_between_a_stop_and_the_final_scoring() {
    let finished = stopped_during(Stage::MinibatchParent).await;
    let journal = finished.journal().await;
    let stop = journal
        .iter()
        .position(|e| matches!(e.body, EventBody::Fact(Fact::StopRequested(_))));
    let late = journal[stop.unwrap()..].iter().filter(|event| {
        matches!(&event.body, EventBody::Fact(Fact::RolloutSettled(r)) if r.stage.phase() == Phase::Optimization)
    });
    assert_eq!(late.count(), 0);
}

#[tokio::test]
async fn a_run_stopped_before_its_seed_is_scored_has_no_result_and_says_so() {
    let finished = stopped_during(Stage::Seed).await;
    let summary = &finished.result.run.summary;
    assert_eq!(finished.result.end, RunEnd::Finished(StopReason::Requested));
    assert_eq!(summary.status, RunStatus::Failed);
    assert_eq!(finished.result.best, None);
    assert_eq!(summary.counters.validation_rollouts_executed, 0);
}

#[tokio::test]
async fn a_stop_during_the_final_scoring_keeps_what_was_scored() {
    let finished = stopped_during(Stage::ValidationBaseline).await;
    let summary = &finished.result.run.summary;
    assert!(matches!(
        &finished.result.end,
        RunEnd::Finished(StopReason::RolloutBudget { .. })
    ));
    assert_eq!(summary.status, RunStatus::Succeeded);
    let executed = summary.counters.validation_rollouts_executed;
    assert!((1..12).contains(&executed), "{executed}");
    let scored = summary
        .validation
        .iter()
        .flat_map(|result| result.scores.iter().flatten());
    assert_eq!(scored.count() as u64, executed);
}

#[tokio::test]
async fn a_paused_run_starts_nothing_until_it_is_resumed() {
    let world = World::new();
    let store = memory();
    let probe = Probe::new().waiting(|_| Duration::from_millis(1)).shared();
    let handle = world
        .builder(&store, Arc::clone(&probe) as _)
        .start()
        .await
        .unwrap();
    let control = handle.control();
    control.pause();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let begun = probe.begun();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(probe.begun(), begun);
    control.resume();
    let result = handle.finish().await.unwrap();
    assert!(probe.begun() > begun);
    assert!(matches!(result.end, RunEnd::Finished(_)));
}

#[tokio::test]
async fn an_injected_candidate_enters_the_archive_and_other_shapes_are_ignored() {
    let world = World::new();
    let store = memory();
    let handle = world
        .builder(&store, Probe::new().shared())
        .start()
        .await
        .unwrap();
    let control = handle.control();
    control.inject(Candidate::new([("other", "shape")]).unwrap());
    let good = Candidate::new([("plan", "from outside"), ("act", "as told")]).unwrap();
    control.inject(good.clone());
    let result = handle.finish().await.unwrap();
    let run = &result.run.run_id;
    let injected = |body: &EventBody| matches!(body, EventBody::Fact(Fact::CandidateInjected(_)));
    assert_eq!(count(&journal(&store, run).await, injected), 1);
    let candidates = store.candidates(run).await.unwrap();
    let row = candidates
        .iter()
        .find(|row| row.origin == Origin::Injected)
        .unwrap();
    assert_eq!(row.components, good);
    assert!(row.accepted_seq.is_some());
    check_sums(&store, &result).await;
}

#[tokio::test]
async fn commands_to_a_run_that_is_over_do_nothing() {
    let world = World::new();
    let store = memory();
    let handle = world
        .builder(&store, Probe::new().shared())
        .start()
        .await
        .unwrap();
    let control = handle.control();
    let result = handle.finish().await.unwrap();
    control.stop();
    control.abort("late");
    control.pause();
    let stored = store.run(&result.run.run_id).await.unwrap();
    assert_eq!(stored, result.run);
}

#[tokio::test]
async fn an_interruption_during_the_last_calls_leaves_a_finished_run() {
    let mut world = World::new();
    world.settings.run.max_concurrent = 64;
    let store = memory();
    let control: Arc<OnceLock<RunControl>> = Arc::default();
    let told = Arc::clone(&control);
    let is_last = |stage| stage == Stage::ValidationTopK;
    let evaluator = Probe::new()
        .waiting(move |request| Duration::from_millis(20 * u64::from(is_last(request.stage))))
        .answering(move |request| {
            if is_last(request.stage) {
                let control = told.get().expect("it is set before the first rollout ends");
                control.interrupt("test");
            }
            Evaluation::free(judge(request))
        });
    let handle = world
        .builder(&store, evaluator.shared())
        .start()
        .await
        .unwrap();
    control.set(handle.control()).unwrap();
    let result = handle.finish().await.unwrap();
    assert!(
        matches!(result.end, RunEnd::Finished(_)),
        "{:?}",
        result.end
    );
    assert_eq!(result.run.summary.status, RunStatus::Succeeded);
    let events = journal(&store, &result.run.run_id).await;
    let interrupted = |body: &EventBody| matches!(body, EventBody::Fact(Fact::RunInterrupted(_)));
    assert_eq!(count(&events, interrupted), 0);

    // Journals of earlier versions may have an interruption after the end.
    let mut tables = Tables::new(result.run.clone());
    for event in &events {
        tables.take_in(event).unwrap();
    }
    let last = events.last().unwrap();
    let interruption = Fact::RunInterrupted(RunInterrupted {
        reason: "a signal was received".to_owned(),
        provider_down: false,
        goes_on_at: None,
    });
    let late = Event {
        seq: Seq(last.seq.0 + 1),
        body: interruption.into(),
        ..last.clone()
    };
    tables.take_in(&late).unwrap();
    assert_eq!(tables.summary().status, RunStatus::Succeeded);
    assert_eq!(tables.summary().interruption, None);
}
