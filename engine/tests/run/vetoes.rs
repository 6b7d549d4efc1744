//! The winner is vetoed while it is scored on the held-out examples.

use std::sync::Arc;
use std::time::Duration;

use gepa_archive::CandidateIndex;
use gepa_engine::record::RunStatus;
use gepa_engine::replay::verify;
use gepa_engine::{RunEnd, RunResult, SteeredBy, Steering};
use gepa_evaluation::{RolloutRequest, Stage};
use tokio::sync::Semaphore;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{World, ids, memory};

/// The vetoed winner, and how the run ended.
async fn veto_of_the_winner(world: &World) -> (CandidateIndex, RunResult) {
    let reached = Arc::new(Semaphore::new(0));
    let signal = Arc::clone(&reached);
    let wait = move |request: &RolloutRequest| {
        if request.stage == Stage::ValidationTopK {
            signal.add_permits(1);
            return Duration::from_millis(20);
        }
        Duration::ZERO
    };
    let probe = Probe::new().waiting(wait).shared();
    let store = memory();
    let builder = world.builder(&store, Arc::clone(&probe) as _);
    let handle = builder.start().await.unwrap();
    let _permit = reached.acquire().await.unwrap();
    let row = store.run(handle.run_id()).await.unwrap();
    let winner = row.summary.best.unwrap();
    assert_ne!(winner, CandidateIndex(0));
    let veto = Steering::Veto(winner);
    let control = handle.control();
    control.steer(veto, SteeredBy::default()).await.unwrap();
    let result = handle.finish().await.unwrap();
    assert!(matches!(result.end, RunEnd::Finished(_)));
    let summary = &result.run.summary;
    assert_eq!(summary.counters.total_rollouts, probe.begun() as u64);
    assert_eq!(summary.status, RunStatus::Succeeded);
    let run = &result.run.run_id;
    verify(&*store, run, &world.config()).await.unwrap();
    check_sums(&store, &result).await;
    (winner, result)
}

#[tokio::test]
async fn the_seed_is_the_result_if_the_only_member_of_the_archive_is_vetoed() {
    let mut world = World::new();
    world.settings.search.archive_max_size = Some(1);
    let (_, result) = veto_of_the_winner(&world).await;
    let summary = &result.run.summary;
    assert_eq!(summary.best, Some(CandidateIndex(0)));
    assert!(summary.best_validation_score.is_some());
    assert_eq!(
        summary.best_validation_score,
        summary.baseline_validation_score
    );
}

#[tokio::test]
async fn the_next_best_candidate_is_scored_in_its_place_if_the_budget_pays_for_it() {
    for has_budget in [true, false] {
        let mut world = World::new();
        world.sets.validation = ids(200, 30);
        if has_budget {
            world.settings.budget.max_iterations = Some(30);
            world.settings.budget.max_rollouts = Some(900);
        }
        let (winner, result) = veto_of_the_winner(&world).await;
        let summary = &result.run.summary;
        let best = summary.best.unwrap();
        assert!(best != winner && best != CandidateIndex(0), "{best}");
        assert_eq!(summary.best_validation_score.is_some(), has_budget);
        let scored: Vec<CandidateIndex> =
            summary.validation.iter().map(|one| one.candidate).collect();
        let mut expected = vec![CandidateIndex(0), winner];
        expected.extend(has_budget.then_some(best));
        assert_eq!(scored, expected);
        let limit = world.settings.budget.max_rollouts.unwrap();
        assert!(summary.counters.total_rollouts <= limit);
    }
}
