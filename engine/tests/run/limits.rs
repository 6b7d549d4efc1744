//! Runs that go on under other limits, and limits that are refused.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::config::BudgetSettings;
use gepa_engine::record::RunStatus;
use gepa_engine::replay::verify;
use gepa_engine::{
    Decision, Event, EventBody, Fact, RunEnd, RunError, RunId, RunResult, StopReason, Store,
};
use gepa_evaluation::Phase;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{World, count, hash, ids, journal, memory};

/// The sequential algorithm, which has no proposals in flight when a budget ends.
fn sequential(max_rollouts: u64) -> World {
    let mut world = World::new();
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    world.settings.budget.max_rollouts = Some(max_rollouts);
    world
}

fn extended(mut world: World, change: impl FnOnce(&mut BudgetSettings)) -> World {
    change(&mut world.settings.budget);
    world
}

/// The decisions about iterations. Left out are ends, final scorings and final snapshots, and the
/// numbers that these shift.
fn search(events: &[Event]) -> Vec<String> {
    let mut texts = Vec::new();
    for event in events {
        let EventBody::Decision(decision) = &event.body else {
            continue;
        };
        let decision = match decision.clone() {
            Decision::StopDecided(_) | Decision::RunFinished(_) | Decision::RunStarted(_) => {
                continue;
            }
            Decision::TrialStarted(one) if one.stage.phase() == Phase::Validation => continue,
            Decision::TrialFinished(one) if one.stage.phase() == Phase::Validation => continue,
            Decision::SnapshotTaken(one) if one.tag.as_str() == "final" => continue,
            Decision::SnapshotTaken(mut one) => {
                one.ordinal = 0;
                Decision::SnapshotTaken(one)
            }
            Decision::TrialStarted(mut one) => {
                one.trial.index = 0;
                Decision::TrialStarted(one)
            }
            Decision::TrialFinished(mut one) => {
                one.trial.index = 0;
                Decision::TrialFinished(one)
            }
            other => other,
        };
        texts.push(serde_json::to_string(&decision).unwrap());
    }
    texts
}

async fn resume(
    world: &World,
    store: &Arc<dyn Store>,
    run: &RunId,
    probe: Arc<Probe>,
) -> RunResult {
    let handle = world.builder(store, probe).resume(run.clone()).await;
    handle.unwrap().finish().await.unwrap()
}

async fn refusal(world: &World, store: &Arc<dyn Store>, run: &RunId) -> RunError {
    let before = journal(store, run).await;
    let handle = world
        .builder(store, Probe::new().shared())
        .resume(run.clone())
        .await;
    let error = handle.expect_err("it is refused");
    assert_eq!(journal(store, run).await, before, "nothing is written");
    error
}

async fn check_records(store: &Arc<dyn Store>, result: &RunResult, world: &World) {
    let run = &result.run.run_id;
    verify(&**store, run, &world.config()).await.unwrap();
    let differences = gepa_store::rebuild(&**store, run).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    check_sums(store, result).await;
}

#[tokio::test]
async fn a_finished_run_with_a_thousand_more_rollouts_equals_one_that_had_them_from_the_start() {
    let mut whole = sequential(1_300);
    whole.sets.validation = Vec::new();
    let whole_run = whole.finish(Probe::new().shared()).await;
    let mut short = sequential(300);
    short.sets.validation = Vec::new();
    let first = short.finish(Probe::new().shared()).await;
    let run = first.result.run.run_id.clone();
    let first_stop = first.result.run.summary.stop_reason.clone();
    assert!(matches!(first_stop, Some(StopReason::RolloutBudget { .. })));

    let longer = extended(short, |budget| budget.max_rollouts = Some(1_300));
    let second = resume(&longer, &first.store, &run, Probe::new().shared()).await;
    let events = journal(&first.store, &run).await;
    assert_eq!(search(&events), search(&whole_run.journal().await));
    let (left, right) = (&second.run.summary, &whole_run.result.run.summary);
    assert_eq!(left.counters, right.counters);
    assert_eq!(left.best_score, right.best_score);
    assert_eq!(left.stop_reason, right.stop_reason);
    assert_eq!(left.status, RunStatus::Succeeded);
    assert_eq!(left.limits.as_ref().unwrap().max_rollouts, Some(1_300));
    // Replayed under the configuration that the run began with, and under the one it ended with.
    check_records(&first.store, &second, &longer).await;
    let mut began = sequential(300);
    began.sets.validation = Vec::new();
    check_records(&first.store, &second, &began).await;
}

#[tokio::test]
async fn what_the_first_final_scoring_bought_is_not_bought_by_the_second() {
    let short = sequential(300);
    let probe = Probe::new().shared();
    let first = short.finish(Arc::clone(&probe) as _).await;
    let run = first.result.run.run_id.clone();
    let longer = extended(short, |budget| budget.max_rollouts = Some(1_300));
    let second = resume(&longer, &first.store, &run, Arc::clone(&probe)).await;
    let summary = &second.run.summary;
    assert!(summary.counters.total_rollouts <= 1_300);
    assert_eq!(summary.counters.total_rollouts, probe.begun() as u64);
    assert_eq!(probe.most_repeated(), 1);
    // The baseline is scored once, and each of the two ends scores at most one winner.
    let held_out = longer.sets.validation.len() as u64;
    assert!(summary.counters.validation_rollouts_executed <= 3 * held_out);
    let events = journal(&first.store, &run).await;
    let ends = |body: &EventBody| matches!(body, EventBody::Decision(Decision::RunFinished(_)));
    assert_eq!(count(&events, ends), 2);
    let whole = sequential(1_300).finish(Probe::new().shared()).await;
    let (made, expected) = (search(&events), search(&whole.journal().await));
    // The same budget pays for the scoring of the first winner.
    assert_eq!(made[..], expected[..made.len()]);
    assert!(made.len() > search(&first.journal().await[..1]).len() + 100);
    check_records(&first.store, &second, &longer).await;
}

#[tokio::test]
async fn an_extension_that_is_killed_again_and_again_ends_the_same() {
    let short = World::new();
    let undisturbed = short.finish(Probe::new().shared()).await;
    let run = undisturbed.result.run.run_id.clone();
    let longer = extended(World::new(), |budget| budget.max_rollouts = Some(700));
    let expected = resume(&longer, &undisturbed.store, &run, Probe::new().shared()).await;
    let expected_search = search(&journal(&undisturbed.store, &run).await);

    let other = World::new().finish(Probe::new().shared()).await;
    let run = other.result.run.run_id.clone();
    let slow = || {
        let wait = |request: &gepa_evaluation::RolloutRequest| {
            let draw = hash(&format!("{}{}", request.trial_id, request.example));
            Duration::from_micros(draw % 1_500)
        };
        Probe::new().waiting(wait).shared()
    };
    for round in 0_u64.. {
        let builder = longer.builder(&other.store, slow());
        let handle = builder.resume(run.clone()).await.unwrap();
        let control = handle.control();
        let patience = Duration::from_micros(500 + hash(&round.to_string()) % 9_000 + round * 200);
        let stopper = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            control.abort("test");
        });
        let result = handle.finish().await.unwrap();
        stopper.abort();
        if matches!(result.end, RunEnd::Finished(_)) {
            let mut made = search(&journal(&other.store, &run).await);
            let mut expected_search = expected_search;
            made.sort();
            expected_search.sort();
            assert_eq!(made, expected_search);
            let (left, right) = (&result.run.summary, &expected.run.summary);
            assert_eq!(left.counters.total_rollouts, right.counters.total_rollouts);
            assert_eq!(left.validation, right.validation);
            let events = journal(&other.store, &run).await;
            let changes =
                |body: &EventBody| matches!(body, EventBody::Fact(Fact::LimitsChanged(_)));
            assert_eq!(count(&events, changes), 1);
            check_records(&other.store, &result, &longer).await;
            return;
        }
    }
}

#[tokio::test]
async fn an_unfinished_run_takes_wider_limits_and_can_be_replayed() {
    let world = World::new();
    let store = memory();
    let handle = world
        .builder(&store, Probe::new().shared())
        .start()
        .await
        .unwrap();
    let run = handle.run_id().clone();
    handle.control().interrupt("test");
    handle.finish().await.unwrap();
    let longer = extended(World::new(), |budget| {
        budget.max_rollouts = Some(500);
        budget.max_iterations = Some(400);
    });
    let result = resume(&longer, &store, &run, Probe::new().shared()).await;
    assert!(result.run.summary.counters.total_rollouts > 300);
    check_records(&store, &result, &world).await;
}

#[tokio::test]
async fn a_limit_is_not_narrowed_below_what_is_spent() {
    let world = World::new();
    let first = world.finish(Probe::new().shared()).await;
    let run = first.result.run.run_id.clone();
    let narrower = extended(World::new(), |budget| budget.max_rollouts = Some(100));
    let error = refusal(&narrower, &first.store, &run).await.to_string();
    assert!(
        error.starts_with("`budget.max_rollouts` was 300 and is 100, but "),
        "{error}"
    );
    let narrower = extended(World::new(), |budget| budget.max_iterations = Some(2));
    let error = refusal(&narrower, &first.store, &run).await.to_string();
    assert!(
        error.starts_with("`budget.max_iterations` was not set and is 2, but "),
        "{error}"
    );
}

#[tokio::test]
async fn a_run_that_would_end_again_at_once_is_not_extended() {
    let world = World::new();
    let first = world.finish(Probe::new().shared()).await;
    let run = first.result.run.run_id.clone();
    let elsewhere = extended(World::new(), |budget| budget.max_iterations = Some(5_000));
    let error = refusal(&elsewhere, &first.store, &run).await;
    assert!(
        matches!(error, RunError::StillOver(StopReason::RolloutBudget { .. })),
        "{error}"
    );
    let text = error.to_string();
    let (_, lacks) = text.split_once("`budget.max_rollouts` is ").unwrap();
    let lacks: u64 = lacks.split(' ').next().unwrap().parse().unwrap();
    let before = world.settings.budget.max_rollouts.unwrap();
    let short = extended(World::new(), |budget| {
        budget.max_rollouts = Some(before + lacks - 1);
    });
    refusal(&short, &first.store, &run).await;
    let enough = extended(World::new(), |budget| {
        budget.max_rollouts = Some(before + lacks);
    });
    let second = resume(&enough, &first.store, &run, Probe::new().shared()).await;
    let iterations = |result: &RunResult| result.run.summary.counters.iterations;
    assert!(iterations(&second) > iterations(&first.result));
}

#[tokio::test]
async fn a_cancelled_run_is_not_extended() {
    let world = World::new();
    let store = memory();
    let handle = world
        .builder(&store, Probe::new().shared())
        .start()
        .await
        .unwrap();
    let run = handle.run_id().clone();
    handle.control().cancel();
    handle.finish().await.unwrap();
    let longer = extended(World::new(), |budget| budget.max_rollouts = Some(900));
    let error = refusal(&longer, &store, &run).await;
    assert!(
        matches!(error, RunError::Over(StopReason::Cancelled)),
        "{error}"
    );
}

#[tokio::test]
async fn another_seed_candidate_or_example_set_is_refused_by_name() {
    let world = World::new();
    let first = world.finish(Probe::new().shared()).await;
    let run = first.result.run.run_id.clone();
    let mut other = World::new();
    other.components[0].1 = "another text";
    let error = refusal(&other, &first.store, &run).await.to_string();
    assert!(error.starts_with("the seed candidate differs"), "{error}");
    let mut other = World::new();
    other.sets.pareto = ids(100, 9);
    let error = refusal(&other, &first.store, &run).await.to_string();
    assert!(
        error.starts_with("the set of pareto examples differs"),
        "{error}"
    );
}

/// A change of the limits.
type Change = fn(&mut BudgetSettings);

#[tokio::test]
async fn every_limit_that_ended_a_run_can_be_widened() {
    let cases: [(Change, Change); 7] = [
        (
            |b| b.max_iterations = Some(3),
            |b| b.max_iterations = Some(9),
        ),
        (
            |b| b.max_candidates = Some(3),
            |b| b.max_candidates = Some(5),
        ),
        (
            |b| b.target_score = Some(0.4),
            |b| b.target_score = Some(0.9),
        ),
        (
            |b| b.no_improvement_iterations = Some(2),
            |b| b.no_improvement_iterations = Some(9),
        ),
        (
            |b| b.least_spread = Some(5.0),
            |b| b.least_spread = Some(1e-9),
        ),
        (
            |b| b.max_reflection_calls = Some(4),
            |b| b.max_reflection_calls = Some(12),
        ),
        (
            |b| b.max_tokens = Some(1_000),
            |b| b.max_tokens = Some(3_000),
        ),
    ];
    for (position, (first, second)) in cases.into_iter().enumerate() {
        let with_tokens = || {
            let answer = |request: &gepa_evaluation::RolloutRequest| {
                let outcome = crate::world::judge(request);
                gepa_evaluation::Evaluation::with_usage(outcome, crate::probe::seven_tokens())
            };
            Probe::new().answering(answer).shared()
        };
        let short = extended(World::new(), first);
        let run = short.finish(with_tokens()).await;
        let longer = extended(World::new(), second);
        let id = run.result.run.run_id.clone();
        let result = resume(&longer, &run.store, &id, with_tokens()).await;
        let (before, after) = (&run.result.run.summary, &result.run.summary);
        assert!(
            after.counters.iterations > before.counters.iterations,
            "case {position}: {:?} then {:?}",
            before.stop_reason,
            after.stop_reason
        );
        assert_eq!(after.status, RunStatus::Succeeded, "case {position}");
        check_records(&run.store, &result, &longer).await;
    }
}
