//! Rows of pareto scores that grow, under a policy that runs half of the set first.

use std::collections::BTreeMap;

use gepa_evaluation::Stage;

use super::world::{Journal, World, shuffler};
use crate::config::{Duplicates, ScheduleKind};
use crate::event::{CloseReason, Decision, EventBody, Fact};

/// Examples of the world's pareto set.
const PARETO: usize = 12;

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for (lags, parents, failing) in [((1, 1), 1, false), ((2, 4), 1, true), ((3, 6), 2, true)] {
        for duplicates in [Duplicates::Skip, Duplicates::Keep] {
            let mut world = World::new(lags.0, lags.1);
            world.growing = true;
            world.failing = failing;
            world.overlapping = worlds.len() % 2 == 0;
            world.seed = worlds.len() as u64;
            world.settings.search.duplicates = duplicates;
            world.settings.search.parents_per_generation = parents;
            worlds.push(world);
        }
    }
    worlds
}

/// Pareto trials by iteration, each with its number of examples.
fn rows(journal: &Journal) -> BTreeMap<u64, Vec<usize>> {
    let mut rows: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for entry in &journal.entries {
        if let EventBody::Decision(Decision::TrialStarted(started)) = entry
            && matches!(started.stage, Stage::Seed | Stage::Pareto)
        {
            let trials = rows.entry(started.trial.iteration).or_default();
            trials.push(started.examples.len());
        }
    }
    rows
}

#[test]
fn what_was_not_run_is_unknown_in_the_row_that_enters() {
    let (mut partial, mut complete, mut dropped) = (0, 0, 0);
    for world in worlds() {
        let journal = world.run(shuffler(3));
        let rows = rows(&journal);
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    let trials = &rows[&accepted.iteration];
                    let run: usize = trials.iter().sum();
                    let known: Vec<f64> = accepted.scores.iter().flatten().copied().collect();
                    assert_eq!(accepted.scores.len(), PARETO);
                    assert!(known.len() <= run, "scores of examples that were not run");
                    let mean = known.iter().sum::<f64>() / known.len() as f64;
                    assert!((accepted.mean_score - mean).abs() < 1e-12);
                    partial += usize::from(run < PARETO);
                    complete += usize::from(trials.len() == 2);
                }
                EventBody::Decision(Decision::ProposalClosed(closed)) => {
                    dropped += usize::from(closed.reason == CloseReason::Dropped);
                }
                _ => {}
            }
        }
    }
    assert!(
        partial > 0 && complete > 0 && dropped > 0,
        "{partial} partial, {complete} in two steps, {dropped} dropped"
    );
}

#[test]
fn no_order_of_results_changes_a_growing_row() {
    for (at, world) in worlds().into_iter().enumerate() {
        let expected = world.run(|_| 0).decisions();
        for seed in 0..16 {
            let decisions = world.run(shuffler(seed)).decisions();
            assert!(decisions == expected, "world {at}, order {seed}");
        }
    }
}

#[test]
fn growing_rows_stay_within_any_budget() {
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        for budget in (30..120).step_by(7) {
            let mut world = World::new(2, 3);
            world.growing = true;
            world.settings.run.schedule = schedule;
            world.settings.budget.max_rollouts = Some(budget);
            let journal = world.run(shuffler(budget));
            let executed =
                journal.count(|entry| matches!(entry, EventBody::Fact(Fact::RolloutSettled(_))));
            assert!(executed as u64 <= budget, "{executed} of {budget}");
            let issued = |entry: &EventBody| {
                matches!(entry, EventBody::Decision(Decision::ProposalIssued(_)))
            };
            // A proposal needs two minibatches and half of the pareto set; the seed half of it or
            // all.
            let (validation, proposal, half) = (16, 12, PARETO as u64 / 2);
            let is_issued = journal.count(issued) > 0;
            assert!(
                is_issued || budget < validation + proposal + 2 * half,
                "{budget}"
            );
            assert!(
                !is_issued || budget >= validation + proposal + half,
                "{budget}"
            );
        }
    }
}

#[test]
fn a_growing_row_is_taken_up_where_its_journal_ends() {
    for world in worlds() {
        let whole = world.run(shuffler(8));
        let (facts, expected) = (whole.facts(), whole.decisions());
        let kept = |decisions: Vec<String>| -> Vec<String> {
            let is_end = |text: &String| text.contains("run_finished");
            decisions.into_iter().filter(|text| !is_end(text)).collect()
        };
        if world.failing {
            // Failures are tried again on a resumption, so the paths part.
            continue;
        }
        for cut in (0..facts.len()).step_by(41) {
            let resumed = world.resume(&facts[..cut], shuffler(cut as u64));
            assert!(
                kept(resumed.decisions()) == kept(expected.clone()),
                "cut after {cut}"
            );
        }
    }
}
