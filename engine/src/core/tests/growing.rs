//! Rows that grow with the evidence, under `search.evaluation = "growing"`.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::{CandidateIndex, Frontier, Origin};
use gepa_evaluation::{ExampleId, Stage};

use super::super::{Core, Work};
use super::world::{Journal, World, shuffler};
use crate::config::{ComponentSelection, Duplicates, Evaluation, RowOrder, ScheduleKind};
use crate::event::{CloseReason, Decision, EventBody, Fact};
use crate::posterior::{Ancestor, Ancestors, Estimate, Posterior};
use crate::stop::StopReason;

/// A world with short first rows; the set holds eight times as many examples.
fn growing(lags: (u32, u32)) -> World {
    let mut world = World::new(lags.0, lags.1);
    world.pareto = 48;
    let search = &mut world.settings.search;
    search.evaluation = Evaluation::Growing;
    search.growing.n0 = 6;
    search.growing.block = 5;
    world.settings.budget.max_rollouts = Some(500);
    world
}

/// Different lags, generations, scores, failures, frontiers and bounds.
fn worlds() -> Vec<World> {
    let shapes = [
        ((1, 1), (1, 1, None), false),
        ((2, 2), (1, 1, None), true),
        ((1, 4), (1, 1, None), false),
        ((4, 4), (1, 1, None), true),
        ((3, 9), (1, 1, None), false),
        ((16, 48), (1, 1, None), true),
        ((1, 1), (2, 2, None), false),
        ((2, 3), (1, 4, Some(1)), true),
    ];
    let frontiers = [
        Frontier::Instance,
        Frontier::Objective,
        Frontier::Hybrid,
        Frontier::Cartesian,
    ];
    let mut worlds = Vec::new();
    for duplicates in [Duplicates::Skip, Duplicates::Keep] {
        for (lags, (parents, batches, keep_best), failing) in shapes {
            let number = worlds.len();
            let mut world = growing(lags);
            world.failing = failing;
            world.seed = number as u64;
            world.graded = number % 2 == 1;
            world.repeating = number % 4 == 2;
            world.overlapping = number % 3 == 0;
            world.settings.reflection.hypotheses = (number % 3 == 2).then_some(1);
            world.settings.reflection.memory = (number % 5 == 1).then_some(0);
            let search = &mut world.settings.search;
            search.duplicates = duplicates;
            search.frontier = frontiers[number % 4];
            search.parents_per_generation = parents;
            search.batches_per_parent = batches;
            search.keep_best = keep_best;
            search.archive_max_size = (number % 5 == 4).then_some(4);
            // No graded score is perfect.
            search.perfect_score = Some(if world.graded { 1e9 } else { 1.0 });
            if number % 4 == 3 {
                search.components = ComponentSelection::All;
            }
            worlds.push(world);
        }
    }
    worlds
}

fn executed(journal: &Journal) -> u64 {
    journal.count(|entry| matches!(entry, EventBody::Fact(Fact::RolloutSettled(_)))) as u64
}

/// What a journal says, without the order of independent entries.
fn account(journal: &Journal) -> Vec<String> {
    let mut account: Vec<String> = journal.lines().collect();
    account.sort_unstable();
    account
}

#[test]
fn no_order_of_results_changes_anything() {
    for (at, world) in worlds().into_iter().enumerate() {
        let expected = account(&world.run(|_| 0));
        for seed in 0..8 {
            let found = account(&world.run(shuffler(seed)));
            let differs = found
                .iter()
                .zip(&expected)
                .find(|(one, other)| one != other);
            assert!(found == expected, "world {at}, order {seed}: {differs:?}");
        }
    }
}

#[test]
fn rows_are_beginnings_of_one_order_and_grow_only() {
    let mut grown = BTreeSet::new();
    for world in worlds() {
        let journal = world.run(shuffler(3));
        // The pareto examples of each iteration, in the order in which they were ordered.
        let mut ordered: BTreeMap<u64, Vec<ExampleId>> = BTreeMap::new();
        let mut rows: BTreeMap<CandidateIndex, Vec<ExampleId>> = BTreeMap::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::TrialStarted(trial))
                    if matches!(trial.stage, Stage::Seed | Stage::Pareto) =>
                {
                    assert!(trial.rung.is_some());
                    let row = ordered.entry(trial.trial.iteration).or_default();
                    row.extend(trial.examples.iter().cloned());
                }
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    let row = ordered[&accepted.iteration].clone();
                    assert_eq!(accepted.length, Some(row.len() as u32));
                    let known = accepted.scores.iter().flatten().count();
                    assert!(known <= row.len() && known > 0);
                    assert_eq!(accepted.estimate.unwrap().scored as usize, known);
                    rows.insert(accepted.index, row);
                }
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    let row = rows.get_mut(&extended.candidate).unwrap();
                    assert_eq!(extended.from as usize, row.len());
                    row.extend(ordered[&extended.iteration].iter().cloned());
                    assert_eq!(extended.to as usize, row.len());
                    grown.insert(extended.candidate);
                }
                _ => {}
            }
        }
        let longest = rows.values().max_by_key(|row| row.len()).unwrap();
        for (index, row) in &rows {
            assert!(longest.starts_with(row), "candidate {index} left the order");
        }
    }
    assert!(grown.len() > 4, "{grown:?}");
}

#[test]
fn rows_take_the_examples_as_listed_where_the_settings_say_so() {
    let first_positions = |order| {
        let mut world = growing((2, 2));
        world.settings.search.growing.order = order;
        let journal = world.run(shuffler(3));
        let accepted = journal.entries.iter().find_map(|entry| match entry {
            EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                Some(accepted.scores.clone())
            }
            _ => None,
        });
        let scores = accepted.unwrap();
        let known = scores
            .iter()
            .enumerate()
            .filter(|(_, score)| score.is_some());
        known.map(|(position, _)| position).collect::<Vec<_>>()
    };
    assert_eq!(first_positions(RowOrder::Listed), [0, 1, 2, 3, 4, 5]);
    assert_ne!(first_positions(RowOrder::Drawn), [0, 1, 2, 3, 4, 5]);
}

/// Everything an estimate follows from.
#[derive(Default)]
struct Rows {
    parents: Vec<Vec<CandidateIndex>>,
    scores: Vec<Vec<(usize, f64)>>,
}

impl Rows {
    fn estimates(&self, world: &World) -> Vec<Estimate> {
        let growing = &world.settings.search.growing;
        let mut posterior = Posterior::new(world.pareto as usize, growing.tau, growing.sweeps);
        for (at, scores) in self.scores.iter().enumerate() {
            let parents = self.parents[at].iter().map(|one| Ancestor::Active(*one));
            let ancestors = Ancestors::new(parents.collect());
            posterior.add(CandidateIndex(at as u32), ancestors, scores.iter().copied());
        }
        posterior.fit();
        posterior
            .estimates()
            .map(|(_, estimate)| estimate)
            .collect()
    }
}

#[test]
fn estimates_follow_from_the_committed_rows_alone() {
    let mut checked = 0;
    for world in worlds() {
        if world.settings.search.archive_max_size.is_some() {
            // Those that left are frozen.
            continue;
        }
        let journal = world.run(shuffler(5));
        let mut rows = Rows::default();
        for entry in &journal.entries {
            let (index, estimate, leader) = match entry {
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    let scores = accepted.scores.iter().enumerate();
                    let known = scores.filter_map(|(at, score)| Some((at, (*score)?)));
                    rows.parents.push(accepted.parents.clone());
                    rows.scores.push(known.collect());
                    (
                        accepted.index,
                        accepted.estimate.unwrap(),
                        accepted.leader.unwrap(),
                    )
                }
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    let positions = extended.positions.iter().zip(&extended.scores);
                    let known = positions.filter_map(|(at, score)| Some((*at as usize, (*score)?)));
                    rows.scores[extended.candidate.position()].extend(known);
                    (extended.candidate, extended.estimate, extended.leader)
                }
                _ => continue,
            };
            let expected = rows.estimates(&world);
            let near = |one: f64, other: f64| (one - other).abs() < 1e-7;
            let own = expected[index.position()];
            assert!(near(own.mean, estimate.mean) && near(own.variance, estimate.variance));
            let best = expected.iter().map(|one| one.mean).fold(f64::MIN, f64::max);
            assert!(near(best, leader.estimate.mean), "{best} but {leader:?}");
            checked += 1;
        }
        let end = journal.end();
        let comparison = end.comparison.unwrap();
        assert!((0.0..=1.0).contains(&comparison.better));
        assert!(comparison.best.mean >= comparison.seed.mean);
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn a_childs_row_ends_when_the_child_is_unlikely_to_be_the_best() {
    let (mut given_up, mut as_long, mut went_on) = (0, 0, 0);
    for world in worlds() {
        let alpha = world.settings.search.growing.alpha;
        let journal = world.run(shuffler(2));
        for entry in &journal.entries {
            if let EventBody::Decision(Decision::RungDecided(rung)) = entry {
                if rung.goes_on {
                    assert!(rung.probability >= alpha);
                    went_on += 1;
                } else if rung.probability < alpha {
                    given_up += 1;
                } else {
                    as_long += 1;
                }
            }
        }
    }
    assert!(
        given_up > 5 && as_long > 5 && went_on > 5,
        "{given_up} {as_long} {went_on}"
    );
}

#[test]
fn the_budget_is_used_up_and_never_overshot() {
    // Runs that end for another reason.
    let mut others = 0;
    for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
        for lags in [(1, 1), (2, 2), (4, 8)] {
            for budget in (60..500).step_by(29) {
                let mut world = growing(lags);
                world.pareto = 300;
                world.seed = budget;
                world.settings.run.schedule = schedule;
                world.settings.merge.enabled = budget % 2 == 0;
                world.settings.budget.max_rollouts = Some(budget);
                let journal = world.run(shuffler(budget));
                let executed = executed(&journal);
                assert!(executed <= budget, "{executed} of {budget}");
                // Half of the final scoring is for the best child.
                let is_childless = journal.end().counters.candidates_accepted == 1;
                let spared = if is_childless { 8 } else { 0 };
                let reason = &journal.end().stop_reason;
                if !matches!(reason, StopReason::RolloutBudget { .. }) {
                    others += 1;
                    assert!(others < 5, "{reason}");
                    continue;
                }
                assert_eq!(executed + spared, budget, "{lags:?}, {schedule:?}");
            }
        }
    }
}

#[test]
fn a_set_smaller_than_the_first_step_is_run_whole() {
    for pareto in [1, 5, 6, 7] {
        let mut world = growing((2, 2));
        world.pareto = pareto;
        let journal = world.run(shuffler(1));
        for entry in &journal.entries {
            if let EventBody::Decision(Decision::CandidateAccepted(accepted)) = entry {
                assert!(u64::from(accepted.length.unwrap()) <= pareto);
                assert!(
                    u64::from(accepted.length.unwrap()) >= pareto.min(6) || accepted.iteration > 0
                );
            }
        }
    }
}

#[test]
fn a_run_is_taken_up_where_its_journal_ends() {
    for world in worlds() {
        let whole = world.run(shuffler(8));
        let (facts, decided) = (whole.facts(), whole.decided());
        for cut in (0..facts.len()).step_by(37) {
            let mut core = world.core();
            let mut remade = core.take_decisions();
            for fact in &facts[..cut] {
                core.settle(fact);
                remade.extend(core.take_decisions());
            }
            assert!(remade == decided[..remade.len()], "cut after {cut}");
        }
        if world.failing {
            // Failures are tried again on a resumption, so the paths part.
            continue;
        }
        let without_end = |decisions: Vec<String>| -> Vec<String> {
            let is_end = |text: &String| text.contains("run_finished");
            decisions.into_iter().filter(|text| !is_end(text)).collect()
        };
        let expected = without_end(whole.decisions());
        for cut in (0..facts.len()).step_by(83) {
            let resumed = world.resume(&facts[..cut], shuffler(cut as u64));
            assert!(
                without_end(resumed.decisions()) == expected,
                "cut after {cut}"
            );
        }
    }
}

#[test]
fn merges_are_compared_on_examples_that_both_parents_were_run_on() {
    let mut gated = 0;
    for seed in 0..20 {
        let mut world = growing((1, 1));
        world.seed = seed;
        world.settings.budget.max_rollouts = Some(900);
        let journal = world.run(|_| 0);
        let mut known: Vec<BTreeSet<usize>> = Vec::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    let scores = accepted.scores.iter().enumerate();
                    known.push(scores.filter_map(|(at, one)| one.map(|_| at)).collect());
                }
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    let positions = extended.positions.iter().map(|at| *at as usize);
                    known[extended.candidate.position()].extend(positions);
                }
                EventBody::Decision(Decision::ProposalIssued(issued))
                    if issued.origin == Origin::Merge =>
                {
                    gated += 1;
                    for example in &issued.examples {
                        let ExampleId::Seed(id) = example else {
                            continue;
                        };
                        let position = (*id - 100) as usize;
                        let parents = issued.parents.iter();
                        let mut rows = parents.map(|parent| &known[parent.position()]);
                        assert!(rows.all(|row| row.contains(&position)));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(gated > 3, "{gated}");
}

#[test]
fn an_evicted_candidate_is_neither_refined_nor_a_parent() {
    let mut evictions = 0;
    for seed in 0..12 {
        let mut world = growing((2, 4));
        world.seed = seed;
        world.settings.search.archive_max_size = Some(3);
        let journal = world.run(shuffler(seed));
        let mut gone: BTreeSet<CandidateIndex> = BTreeSet::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => {
                    evictions += accepted.evicted.len();
                    gone.extend(&accepted.evicted);
                }
                EventBody::Decision(Decision::RefinementIssued(issued)) => {
                    assert!(!gone.contains(&issued.candidate));
                }
                EventBody::Decision(Decision::RowExtended(extended)) => {
                    assert!(!gone.contains(&extended.candidate));
                    assert!(!gone.contains(&extended.leader.candidate));
                }
                EventBody::Decision(Decision::ProposalIssued(issued)) => {
                    assert!(issued.parents.iter().all(|parent| !gone.contains(parent)));
                }
                EventBody::Decision(Decision::ProposalClosed(closed)) => {
                    assert!(closed.reason != CloseReason::Dropped || !closed.detail.is_empty());
                }
                _ => {}
            }
        }
    }
    assert!(evictions > 10, "{evictions}");
}

#[test]
fn refinements_get_their_share() {
    let mut world = growing((1, 1));
    world.pareto = 300;
    world.settings.budget.max_rollouts = Some(3_000);
    world.settings.search.skip_perfect = false;
    let journal = world.run(|_| 0);
    let (mut refined, mut last_refined, mut all) = (0, 0, 0);
    for entry in &journal.entries {
        match entry {
            EventBody::Decision(Decision::RefinementIssued(issued)) => refined += issued.count,
            EventBody::Decision(Decision::StopDecided(_)) => break,
            EventBody::Decision(Decision::ProposalIssued(_)) => last_refined = refined,
            EventBody::Decision(Decision::RowExtended(extended)) => {
                all = extended.committed_rollouts;
            }
            _ => {}
        }
    }
    let share = f64::from(last_refined) / all as f64;
    assert!((0.10..0.14).contains(&share), "{share}");
}

#[test]
fn a_core_of_full_rows_says_nothing_of_growing_ones() {
    let world = World::new(2, 2);
    let core: Core = world.core();
    assert!(format!("{core:?}").contains("Core"));
    let journal = world.run(|_| 0);
    let text = account(&journal).join("\n");
    for word in [
        "rung",
        "\"leader\"",
        "\"length\"",
        "\"estimate\"",
        "row_extended",
        "refinement",
    ] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn the_proposer_is_told_what_was_rejected_from_the_same_parent() {
    let mut world = growing((1, 1));
    world.settings.reflection.hypotheses = Some(1);
    for (memory, most) in [(None, 3), (Some(1), 1), (Some(0), 0)] {
        world.settings.reflection.memory = memory;
        let mut core = world.core();
        let mut open = core.take_work();
        let mut longest = 0;
        while let Some(work) = open.pop() {
            if let Work::Reflection(work) = &work {
                let parent = &work.rules.current;
                assert!(
                    work.earlier
                        .iter()
                        .all(|one| one.component == work.component)
                );
                assert!(work.earlier.iter().all(|one| one.text != *parent));
                longest = longest.max(work.earlier.len());
            }
            if !matches!(work, Work::DropQueued | Work::DropTrial(_) | Work::Move(..)) {
                core.settle(&world.answer(&work));
                open.extend(core.take_work());
            }
        }
        assert_eq!(longest, most, "{memory:?}");
    }
}
