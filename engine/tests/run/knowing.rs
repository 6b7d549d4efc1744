//! A run that knows what other runs of its store bought does not buy it again.

use gepa_engine::config::BudgetSettings;
use gepa_engine::replay::verify;
use gepa_engine::{EventBody, Fact};

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{World, count, journal, memory};

#[tokio::test]
async fn the_seeds_outcomes_are_known_for_every_purpose() {
    let store = memory();
    // Scores the seed on the later run's held-out examples, and proposes nothing.
    let mut scoring = World::new();
    scoring.settings.budget = BudgetSettings::default();
    scoring.settings.budget.max_iterations = Some(0);
    scoring.sets.pareto = World::new().sets.validation;
    scoring.sets.validation.clear();
    let first = scoring
        .builder(&store, Probe::new().shared())
        .start()
        .await
        .unwrap();
    let first = first.finish().await.unwrap().run;
    assert_eq!(first.summary.counters.total_rollouts, 6);
    assert_eq!(first.summary.counters.iterations, 0);

    let world = World::new();
    let probe = Probe::new().shared();
    let builder = world.builder(&store, std::sync::Arc::clone(&probe) as _);
    let handle = builder
        .knowing([first.run_id.clone()])
        .start()
        .await
        .unwrap();
    let result = handle.finish().await.unwrap();
    check_sums(&store, &result).await;
    let counters = &result.run.summary.counters;
    assert_eq!(counters.recalled_rollouts, 6);
    assert_eq!(counters.total_rollouts, probe.begun() as u64);
    let events = journal(&store, &result.run.run_id).await;
    let recalled = |body: &EventBody| matches!(body, EventBody::Fact(Fact::RolloutRecalled(_)));
    assert_eq!(count(&events, recalled), 6);
    // The scores are those of the first run, and the journal decides itself again.
    let scores = first.summary.baseline_score;
    assert_eq!(result.run.summary.baseline_validation_score, scores);
    verify(&*store, &result.run.run_id, &world.config())
        .await
        .unwrap();

    // The same seed on the same examples costs nothing at all.
    let again = scoring.builder(&store, Probe::new().shared());
    let again = again.knowing([first.run_id]).start().await.unwrap();
    let again = again.finish().await.unwrap().run;
    assert_eq!(again.summary.counters.total_rollouts, 0);
    assert_eq!(again.summary.counters.recalled_rollouts, 6);
    assert_eq!(again.summary.baseline_score, scores);
}
