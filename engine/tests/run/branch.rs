//! A new run that begins at an iteration of an earlier run.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::config::ParentSelection;
use gepa_engine::replay::verify;
use gepa_engine::{
    BranchPoint, Decision, Event, EventBody, Fact, RunEnd, RunError, RunHandle, RunId, RunResult,
    Store,
};
use gepa_evaluation::RolloutRequest;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, count, decisions, hash, ids, journal};

/// The sequential algorithm, which has no proposals in flight between two iterations.
fn sequential() -> World {
    let mut world = World::new();
    world.settings.run.gate_lag = 1;
    world.settings.run.pareto_lag = 1;
    world
}

async fn begin(
    world: &World,
    origin: &Finished,
    before: &World,
    iteration: Option<u64>,
    probe: &Arc<Probe>,
) -> Result<RunHandle, RunError> {
    let point = BranchPoint {
        run: origin.result.run.run_id.clone(),
        iteration,
        config: before.config(),
    };
    let builder = world.builder(&origin.store, Arc::clone(probe) as _);
    builder.branch(point).await
}

async fn check_records(store: &Arc<dyn Store>, result: &RunResult, world: &World) {
    let run = &result.run.run_id;
    verify(&**store, run, &world.config()).await.unwrap();
    let differences = gepa_store::rebuild(&**store, run).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    check_sums(store, result).await;
}

/// All decisions except the start, which names the origin, and the end, which holds the counters.
fn course(events: &[Event]) -> Vec<String> {
    let mut made = decisions(events);
    made.retain(|text| !text.contains("run_started") && !text.contains("run_finished"));
    made
}

fn iterations(events: &[Event]) -> u64 {
    count(events, |body| {
        matches!(body, EventBody::Decision(Decision::ProposalIssued(_)))
    }) as u64
}

fn own_rollouts(events: &[Event]) -> usize {
    count(events, |body| {
        matches!(body, EventBody::Fact(Fact::RolloutSettled(_)))
    })
}

#[tokio::test]
async fn a_branch_at_half_with_equal_settings_ends_like_its_origin_and_buys_no_rollout() {
    let world = sequential();
    let origin = world.finish(Probe::new().shared()).await;
    let whole = origin.journal().await;
    let half = iterations(&whole) / 2;
    let probe = Probe::new().shared();
    let handle = begin(&world, &origin, &world, Some(half), &probe)
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    let events = journal(&origin.store, &result.run.run_id).await;
    assert_eq!(course(&events), course(&whole));
    // The same reflections give the same texts, so the outcomes of the second half are known as
    // well.
    assert_eq!(probe.begun(), 0);
    assert_eq!(own_rollouts(&events), 0);
    let (left, right) = (&result.run.summary, &origin.result.run.summary);
    assert_eq!(left.best_score, right.best_score);
    assert_eq!(left.validation, right.validation);
    assert_eq!(left.counters.total_rollouts, 0);
    assert_eq!(
        left.counters.recalled_rollouts,
        right.counters.total_rollouts
    );
    assert!(left.counters.reflection_calls < right.counters.reflection_calls);
    assert_eq!(
        left.counters.reflection_calls + left.counters.recalled_reflections,
        right.counters.reflection_calls
    );
    let named = left.origin.as_ref().unwrap();
    assert_eq!(named.run, origin.result.run.run_id);
    assert_eq!(named.iteration, half);
    check_records(&origin.store, &result, &world).await;
}

#[tokio::test]
async fn other_settings_apply_from_the_point_of_the_branch_on() {
    let before = World::new();
    let origin = before.finish(Probe::new().shared()).await;
    let whole = origin.journal().await;
    let half = iterations(&whole) / 2;
    let mut world = World::new();
    world.settings.run.seed = 99;
    world.settings.search.parent = ParentSelection::CurrentBest;
    world.settings.search.minibatch_size = 4;
    world.settings.budget.max_rollouts = Some(500);
    let probe = Probe::new().shared();
    let handle = begin(&world, &origin, &before, Some(half), &probe)
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    let events = journal(&origin.store, &result.run.run_id).await;
    let up_to_the_point = |events: &[Event]| {
        let issued = events.iter().filter_map(|event| match &event.body {
            EventBody::Decision(Decision::ProposalIssued(one)) if one.iteration <= half => {
                Some(one.clone())
            }
            _ => None,
        });
        issued.collect::<Vec<_>>()
    };
    assert_eq!(up_to_the_point(&events), up_to_the_point(&whole));
    let sizes = events.iter().filter_map(|event| match &event.body {
        EventBody::Decision(Decision::ProposalIssued(one)) if one.iteration > half => {
            Some(one.examples.len())
        }
        _ => None,
    });
    assert!(sizes.clone().count() > 0);
    assert!(sizes.clone().all(|size| size == 4));
    let changed = events
        .iter()
        .position(|event| matches!(event.body, EventBody::Fact(Fact::SettingsChanged(_))))
        .unwrap();
    assert_eq!(
        own_rollouts(&events[..changed]),
        0,
        "the shared half is known"
    );
    assert_eq!(probe.begun(), own_rollouts(&events));
    assert!(probe.begun() > 0);
    check_records(&origin.store, &result, &world).await;
}

#[tokio::test]
async fn a_branch_of_a_branch_knows_what_both_bought() {
    let first = sequential();
    let origin = first.finish(Probe::new().shared()).await;
    let mut second = sequential();
    second.settings.run.seed = 5;
    second.settings.budget.max_rollouts = Some(400);
    let probe = Probe::new().shared();
    let handle = begin(&second, &origin, &first, Some(4), &probe)
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    let middle = Finished {
        store: Arc::clone(&origin.store),
        result,
    };
    for iteration in [2, 4, 7] {
        let probe = Probe::new().shared();
        let handle = begin(&second, &middle, &second, Some(iteration), &probe)
            .await
            .unwrap();
        let result = handle.finish().await.unwrap();
        check_records(&origin.store, &result, &second).await;
        let events = journal(&origin.store, &result.run.run_id).await;
        if iteration >= 4 {
            assert_eq!(
                course(&events),
                course(&middle.journal().await),
                "at {iteration}"
            );
            assert_eq!(probe.begun(), 0, "at {iteration}");
        }
    }
}

#[tokio::test]
async fn a_branch_that_is_killed_again_and_again_ends_the_same() {
    let before = World::new();
    let origin = before.finish(Probe::new().shared()).await;
    let mut world = World::new();
    world.settings.run.seed = 12;
    world.settings.budget.max_rollouts = Some(500);
    let handle = begin(&world, &origin, &before, Some(5), &Probe::new().shared()).await;
    let undisturbed = handle.unwrap().finish().await.unwrap();
    let expected = course(&journal(&origin.store, &undisturbed.run.run_id).await);

    let slow = || {
        let wait = |request: &RolloutRequest| {
            let draw = hash(&format!("{}{}", request.trial_id, request.example));
            Duration::from_micros(draw % 1_500)
        };
        Probe::new().waiting(wait).shared()
    };
    let mut run: Option<RunId> = None;
    for round in 0_u64.. {
        let handle = match run.clone() {
            None => begin(&world, &origin, &before, Some(5), &slow()).await,
            Some(run) => world.builder(&origin.store, slow()).resume(run).await,
        };
        let handle = handle.unwrap();
        run = Some(handle.run_id().clone());
        let control = handle.control();
        let patience = Duration::from_micros(500 + hash(&round.to_string()) % 9_000 + round * 200);
        let stopper = tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            control.abort("test");
        });
        let result = handle.finish().await.unwrap();
        stopper.abort();
        if matches!(result.end, RunEnd::Finished(_)) {
            let made = course(&journal(&origin.store, &result.run.run_id).await);
            assert_eq!(made, expected);
            check_records(&origin.store, &result, &world).await;
            return;
        }
    }
}

#[tokio::test]
async fn a_branch_of_an_extended_run_holds_its_first_end() {
    let short = sequential();
    let origin = short.finish(Probe::new().shared()).await;
    let run = origin.result.run.run_id.clone();
    let mut longer = sequential();
    longer.settings.budget.max_rollouts = Some(600);
    let handle = longer.builder(&origin.store, Probe::new().shared());
    let result = handle.resume(run).await.unwrap().finish().await.unwrap();
    let extended = Finished {
        store: Arc::clone(&origin.store),
        result,
    };
    let events = extended.journal().await;
    let last = iterations(&events);
    for iteration in [1, last - 1, last] {
        let probe = Probe::new().shared();
        let handle = begin(&longer, &extended, &short, Some(iteration), &probe)
            .await
            .unwrap();
        let result = handle.finish().await.unwrap();
        // A branch from before the first end has not bought the final scoring of that end. The same limit
        // may cover one more proposal.
        let config = longer.config();
        let spare = if iteration == 1 {
            config.proposal_rollouts() + config.validation_rollouts()
        } else {
            0
        };
        assert!(
            probe.begun() as u64 <= spare,
            "{} at {iteration}",
            probe.begun()
        );
        check_records(&origin.store, &result, &longer).await;
    }
}

#[tokio::test]
async fn what_the_shared_part_rests_on_cannot_be_changed() {
    let before = World::new();
    let origin = before.finish(Probe::new().shared()).await;
    let refused = |change: fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        world
    };
    let cases = [
        (
            refused(|world| world.components[1].1 = "other"),
            "the seed candidate differs",
        ),
        (
            refused(|world| world.sets.train = ids(0, 19)),
            "an example set differs",
        ),
        (
            refused(|world| world.settings.search.archive_max_size = Some(3)),
            "`search.archive_max_size` differs",
        ),
    ];
    for (world, expected) in cases {
        let error = begin(&world, &origin, &before, None, &Probe::new().shared()).await;
        let error = error.expect_err("it is refused").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = begin(
        &before,
        &origin,
        &before,
        Some(10_000),
        &Probe::new().shared(),
    )
    .await;
    assert!(matches!(
        error,
        Err(RunError::NoSuchIteration {
            iteration: 10_000,
            ..
        })
    ));
    assert_eq!(
        origin.store.runs().await.unwrap().len(),
        1,
        "nothing is stored"
    );
}
