//! Further outcomes of the same examples, where the evaluator's outcomes differ.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Outcome, Stage};

use super::world::{Journal, World, shuffler};
use crate::config::{Evaluation, ScheduleKind};
use crate::event::{Decision, EventBody, Fact};

/// A world whose rows are soon whole.
fn varying(pareto: u64, lags: (u32, u32), budget: u64) -> World {
    let mut world = World::new(lags.0, lags.1);
    world.pareto = pareto;
    world.varying = true;
    let search = &mut world.settings.search;
    search.evaluation = Evaluation::Growing;
    search.skip_perfect = false;
    search.growing.n0 = 6;
    search.growing.block = 4;
    world.settings.budget.max_rollouts = Some(budget);
    world
}

fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for (at, lags) in [(1, 1), (2, 2), (4, 4), (3, 9)].into_iter().enumerate() {
        for pareto in [3, 5, 12] {
            let mut world = varying(pareto, lags, 400);
            world.seed = pareto + at as u64;
            world.failing = at % 2 == 1;
            world.graded = at >= 2;
            world.settings.search.archive_max_size = (pareto == 5).then_some(4);
            worlds.push(world);
        }
    }
    worlds
}

/// The outcomes on the pareto set, in the order in which they were journaled.
fn outcomes(journal: &Journal) -> BTreeMap<(ContentId, ExampleId), Vec<(u64, Outcome)>> {
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in &journal.entries {
        if let EventBody::Fact(Fact::RolloutSettled(settled)) = entry
            && matches!(settled.stage, Stage::Seed | Stage::Pareto)
        {
            let key = (settled.candidate, settled.example.clone());
            let outcome = (settled.trial.iteration, (*settled.outcome).clone());
            found.entry(key).or_default().push(outcome);
        }
    }
    found
}

fn repeated(journal: &Journal) -> usize {
    let all = outcomes(journal);
    all.values().map(|all| all.len() - 1).sum()
}

#[test]
fn no_order_of_results_changes_what_is_repeated() {
    for (at, world) in worlds().into_iter().enumerate() {
        let expected = world.run(|_| 0);
        assert!(repeated(&expected) > 0, "world {at}");
        for seed in 0..6 {
            let found = world.run(shuffler(seed));
            assert!(
                found.decisions() == expected.decisions(),
                "world {at}, order {seed}"
            );
        }
    }
}

#[test]
fn a_row_holds_the_mean_of_all_outcomes_of_an_example() {
    let (mut checked, mut most) = (0, 0);
    for world in worlds() {
        let journal = world.run(shuffler(4));
        let all = outcomes(&journal);
        let mut members = Vec::new();
        let mut rows: Vec<Vec<Option<f64>>> = Vec::new();
        let mut counted: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    counted.insert(members.len(), [accepted.iteration].into());
                    members.push(accepted.candidate);
                    rows.push(accepted.scores.clone());
                }
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    let at = extended.candidate.position();
                    let iterations = counted.get_mut(&at).unwrap();
                    iterations.insert(extended.iteration);
                    extended.add_to(&mut rows[at]);
                    for (place, position) in extended.positions.iter().enumerate() {
                        let first = if world.overlapping { 14 } else { 100 };
                        let example = ExampleId::Seed(first + u64::from(*position));
                        let outcomes = &all[&(members[at], example)];
                        let scores: Vec<f64> = outcomes
                            .iter()
                            .filter(|(iteration, _)| iterations.contains(iteration))
                            .filter_map(|(_, outcome)| Some(outcome.scored()?.score))
                            .collect();
                        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
                        match rows[at][*position as usize] {
                            Some(score) => assert!((score - mean).abs() < 1e-9),
                            None => assert!(scores.is_empty()),
                        }
                        let count = extended.outcomes.get(place).copied();
                        if let Some(count) = count {
                            assert_eq!(count as usize, scores.len());
                            most = most.max(count);
                        }
                        checked += 1;
                    }
                }
                _ => {}
            }
        }
    }
    assert!(checked > 100 && most > 2, "{checked} {most}");
}

#[test]
fn outcomes_that_are_reused_are_never_bought_again() {
    for pareto in [3, 12] {
        let mut world = varying(pareto, (2, 2), 500);
        world.varying = false;
        assert_eq!(repeated(&world.run(|_| 0)), 0);
        world.varying = true;
        world.settings.search.growing.repeats = false;
        assert_eq!(repeated(&world.run(|_| 0)), 0);
    }
}

#[test]
fn a_budget_beyond_whole_rows_is_used_up() {
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        for budget in (60..400).step_by(17) {
            let mut world = varying(5, (2, 4), budget);
            world.settings.run.schedule = schedule;
            world.seed = budget;
            let journal = world.run(shuffler(budget));
            let settled =
                |entry: &EventBody| matches!(entry, EventBody::Fact(Fact::RolloutSettled(_)));
            let executed = journal.count(settled) as u64;
            let is_childless = journal.end().counters.candidates_accepted == 1;
            let spared = if is_childless { 8 } else { 0 };
            assert_eq!(executed + spared, budget, "{schedule:?}");
        }
    }
}

#[test]
fn a_run_with_repeated_outcomes_is_taken_up_where_its_journal_ends() {
    for world in worlds() {
        let whole = world.run(shuffler(8));
        let (facts, decided) = (whole.facts(), whole.decided());
        for cut in (0..facts.len()).step_by(29) {
            let mut core = world.core();
            let mut remade = core.take_decisions();
            for fact in &facts[..cut] {
                core.settle(fact);
                remade.extend(core.take_decisions());
            }
            assert!(remade == decided[..remade.len()], "cut after {cut}");
        }
    }
}
