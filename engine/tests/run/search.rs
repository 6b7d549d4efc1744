//! Different kinds of searches: sets, components, merges, archives, frontiers.

use gepa_archive::{Frontier, Origin};
use gepa_engine::config::{ComponentSelection, Overlap, ScheduleKind};
use gepa_engine::{Config, Decision, EventBody, RunEnd};
use gepa_evaluation::PromptTemplate;

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, ids};

async fn finish(world: &World) -> Finished {
    let finished = world.finish(Probe::new().shared()).await;
    assert!(matches!(finished.result.end, RunEnd::Finished(_)));
    check_sums(&finished.store, &finished.result).await;
    finished
}

#[tokio::test]
async fn example_sets_may_overlap_only_where_that_is_allowed() {
    let mut world = World::new();
    world.sets.pareto = world.sets.train.clone();
    let seed = gepa_archive::Candidate::new(world.components.clone()).unwrap();
    let config = |world: &World| {
        Config::new(
            seed.clone(),
            PromptTemplate::default(),
            world.sets.clone(),
            world.settings.clone(),
        )
    };
    assert!(config(&world).is_err());
    world.settings.search.allow_overlap = vec![Overlap::ParetoValidation];
    assert!(config(&world).is_err());
    world.settings.search.allow_overlap = vec![Overlap::TrainPareto];
    finish(&world).await;
}

#[tokio::test]
async fn single_examples_small_training_sets_and_no_validation_work() {
    let mut world = World::new();
    world.sets.train = ids(0, 2);
    finish(&world).await;
    world.sets.train = ids(0, 1);
    world.sets.pareto = ids(100, 1);
    world.sets.validation = ids(200, 1);
    finish(&world).await;
    world.sets.validation.clear();
    let finished = finish(&world).await;
    let summary = &finished.result.run.summary;
    assert!(summary.validation.is_empty());
    assert_eq!(summary.best_validation_score, None);
}

#[tokio::test]
async fn components_are_rewritten_in_turn_or_all_at_once() {
    for (selection, each) in [
        (ComponentSelection::RoundRobin, 1),
        (ComponentSelection::All, 2),
    ] {
        let mut world = World::new();
        world.settings.search.components = selection;
        let finished = finish(&world).await;
        let mut seen = std::collections::BTreeSet::new();
        for event in finished.journal().await {
            if let EventBody::Decision(Decision::ProposalIssued(issued)) = event.body {
                assert_eq!(issued.components.len(), each);
                seen.extend(issued.components);
            }
        }
        assert_eq!(seen.len(), 2);
    }
}

#[tokio::test]
async fn every_frontier_works_with_every_schedule_and_a_bounded_archive() {
    let frontiers = [
        Frontier::Instance,
        Frontier::Objective,
        Frontier::Hybrid,
        Frontier::Cartesian,
    ];
    for frontier in frontiers {
        for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
            let mut world = World::new();
            world.settings.search.frontier = frontier;
            world.settings.run.schedule = schedule;
            world.settings.search.archive_max_size = Some(3);
            let finished = finish(&world).await;
            let summary = &finished.result.run.summary;
            assert!(
                summary.counters.candidates_accepted > 3,
                "{frontier:?} {schedule:?}"
            );
            assert!((1..=3).contains(&summary.front_size));
        }
    }
}

#[tokio::test]
async fn candidates_are_merged() {
    let mut merged = 0;
    for seed in 0..6 {
        let mut world = World::new();
        world.settings.run.seed = seed;
        world.settings.merge.enabled = true;
        world.settings.budget.max_rollouts = Some(600);
        let finished = finish(&world).await;
        let candidates = finished
            .store
            .candidates(&finished.result.run.run_id)
            .await
            .unwrap();
        for row in candidates.iter().filter(|row| row.origin == Origin::Merge) {
            assert_eq!(row.parents.len(), 2);
            merged += 1;
        }
    }
    assert!(merged > 0);
}
