//! Rules that hold under every combination of schedule, staleness and speculation.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Stage};

use super::world::{Journal, World, shuffler};
use crate::config::{ComponentSelection, ScheduleKind, Speculation, StaleChildren};
use crate::event::{CloseReason, Decision, EventBody, Fact};
use crate::ids::TrialKey;

/// Every combination that differs from the others, and two with several hypotheses.
fn worlds(gate_lag: u32, pareto_lag: u32) -> Vec<World> {
    use {ScheduleKind as Kind, Speculation as Early, StaleChildren as Stale};
    let combinations = [
        (Kind::Ordered, Stale::Keep, Early::Off),
        (Kind::Ordered, Stale::Keep, Early::Decided),
        (Kind::Free, Stale::Keep, Early::Off),
        (Kind::Free, Stale::Regate, Early::Off),
        (Kind::Free, Stale::Drop, Early::Off),
        (Kind::Free, Stale::Keep, Early::Likely),
        (Kind::Free, Stale::Regate, Early::Likely),
        (Kind::Free, Stale::Drop, Early::Likely),
    ];
    let world = |(schedule, stale_children, speculate)| {
        let mut world = World::new(gate_lag, pareto_lag);
        world.settings.run.schedule = schedule;
        world.settings.run.stale_children = stale_children;
        world.settings.run.speculate = speculate;
        world
    };
    let mut worlds: Vec<World> = combinations.map(world).into();
    for combination in [combinations[1], combinations[7]] {
        let mut several = world(combination);
        several.settings.reflection.hypotheses = Some(3);
        worlds.push(several);
    }
    worlds
}

/// Results in an order in which some iterations wait very long, so that others overtake them.
fn with_stragglers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut uniform = shuffler(seed);
    move |open| {
        if uniform(5) > 0 {
            open - 1 - uniform(open.min(4))
        } else {
            uniform(open)
        }
    }
}

/// Checks that the counters at the end equal those of the journal and stay within the budget.
#[track_caller]
fn check_books(world: &World, journal: &Journal) {
    let context = format!("{:?}", world.settings.run);
    let counters = &journal.end().counters;
    let budget = world.settings.budget.max_rollouts.unwrap();
    let executed =
        journal.count(|entry| matches!(entry, EventBody::Fact(Fact::RolloutSettled(_)))) as u64;
    assert!(executed <= budget, "{executed} of {budget}: {context}");
    assert_eq!(counters.total_rollouts, executed, "{context}");
    let validated = 8 * journal.end().validation.len() as u64;
    assert_eq!(counters.validation_rollouts_executed, validated);
    let tokens = 7 * executed + 3 * counters.reflection_calls;
    assert_eq!(counters.total_tokens, tokens, "{context}");

    let mut speculative: BTreeMap<TrialKey, u64> = BTreeMap::new();
    let mut accepted = Vec::new();
    for entry in &journal.entries {
        match entry {
            EventBody::Decision(Decision::TrialStarted(started)) if started.speculative => {
                speculative.insert(started.trial, 0);
            }
            EventBody::Fact(Fact::RolloutSettled(settled)) => {
                if let Some(executed) = speculative.get_mut(&settled.trial) {
                    *executed += 1;
                }
            }
            EventBody::Decision(Decision::CandidateAccepted(accepted_one)) => {
                accepted.push(accepted_one.iteration);
            }
            _ => {}
        }
    }
    let all: u64 = speculative.values().sum();
    assert_eq!(counters.speculative_rollouts, all, "{context}");
    speculative.retain(|trial, _| !accepted.contains(&trial.iteration));
    let too_many_failed = journal.count(|entry| {
        matches!(entry, EventBody::Decision(Decision::ProposalClosed(c)) if c.reason == CloseReason::TooManyFailures)
    });
    if too_many_failed == 0 {
        let wasted: u64 = speculative.values().sum();
        assert_eq!(counters.wasted_rollouts, wasted, "{context}");
    }
}

#[test]
fn rollouts_never_exceed_the_budget_and_are_all_accounted_for() {
    for budget in [60, 100, 333, 700] {
        for mut world in worlds(6, 12) {
            world.settings.budget.max_rollouts = Some(budget);
            check_books(&world, &world.run(shuffler(budget)));
            check_books(&world, &world.run(with_stragglers(budget)));
        }
    }
}

#[test]
fn a_run_cut_anywhere_and_replayed_makes_the_same_decisions() {
    for mut world in worlds(4, 8) {
        world.failing = true;
        world.settings.search.components = ComponentSelection::All;
        let whole = world.run(with_stragglers(9));
        let facts = whole.facts();
        let stored = whole.decided();
        for cut in (0..facts.len()).step_by(29).chain([facts.len()]) {
            let mut core = world.core();
            let mut remade = core.take_decisions();
            for fact in &facts[..cut] {
                core.settle(fact);
                remade.extend(core.take_decisions());
            }
            let same = remade == stored[..remade.len()];
            assert!(same, "cut after {cut} facts under {:?}", world.settings.run);
        }
    }
}

#[test]
fn a_run_killed_anywhere_and_resumed_ends_with_its_books_in_order() {
    for world in worlds(4, 8) {
        let facts = world.run(with_stragglers(5)).facts();
        for cut in (0..facts.len()).step_by(31) {
            check_books(
                &world,
                &world.resume(&facts[..cut], with_stragglers(cut as u64)),
            );
        }
    }
}

#[test]
fn a_killed_run_under_the_ordered_schedule_ends_as_it_would_have() {
    for world in worlds(4, 8) {
        if world.settings.run.schedule == ScheduleKind::Free {
            continue;
        }
        let whole = world.run(with_stragglers(5));
        let facts = whole.facts();
        for cut in (0..facts.len()).step_by(37) {
            let resumed = world.resume(&facts[..cut], with_stragglers(cut as u64));
            assert!(resumed.decisions() == whole.decisions(), "cut after {cut}");
        }
    }
}

/// Runs under a policy until stale children have appeared, and returns the journals.
fn with_stale_children(policy: StaleChildren, speculate: Speculation) -> Vec<Journal> {
    let journals = (0..20).map(|seed| {
        let mut world = World::new(3, 6);
        world.settings.run.schedule = ScheduleKind::Free;
        world.settings.run.stale_children = policy;
        world.settings.run.speculate = speculate;
        world.seed = seed;
        let journal = world.run(with_stragglers(seed));
        check_books(&world, &journal);
        journal
    });
    journals.collect()
}

fn stale_closes(journal: &Journal) -> usize {
    journal.count(
        |entry| matches!(entry, EventBody::Decision(Decision::ProposalClosed(c)) if c.reason == CloseReason::Stale),
    )
}

#[test]
fn stale_children_are_kept_unless_the_config_says_otherwise() {
    for journal in with_stale_children(StaleChildren::Keep, Speculation::Off) {
        assert_eq!(stale_closes(&journal), 0);
    }
    let dropped = with_stale_children(StaleChildren::Drop, Speculation::Off);
    assert!(dropped.iter().map(stale_closes).sum::<usize>() > 10);
}

#[test]
fn a_stale_child_is_regated_once_on_its_own_minibatch_and_must_be_better() {
    let (mut regated, mut failed) = (0, 0);
    for journal in with_stale_children(StaleChildren::Regate, Speculation::Off) {
        let mut batches = BTreeMap::new();
        let mut seen = Vec::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::TrialStarted(started))
                    if started.trial.index == 1 =>
                {
                    batches.insert(started.trial.iteration, started.examples.clone());
                }
                EventBody::Decision(Decision::TrialStarted(started))
                    if started.trial.index == 3 =>
                {
                    let iteration = started.trial.iteration;
                    assert_eq!(batches[&iteration], started.examples);
                    assert!(!seen.contains(&iteration), "{iteration} regated twice");
                    seen.push(iteration);
                }
                EventBody::Decision(Decision::GateDecided(gate)) if gate.against.is_some() => {
                    regated += 1;
                    assert_eq!(gate.passed, gate.child_sum > gate.parent_sum);
                    failed += usize::from(!gate.passed);
                }
                EventBody::Decision(Decision::ProposalClosed(closed))
                    if closed.reason == CloseReason::Stale =>
                {
                    assert!(seen.contains(&closed.iteration));
                }
                _ => {}
            }
        }
    }
    assert!(
        regated > 10 && failed > 0,
        "{regated} regated, {failed} failed"
    );
}

#[test]
fn what_a_stale_child_bought_is_not_bought_again() {
    let (mut dropped, mut asked_again) = (0, 0);
    for journal in with_stale_children(StaleChildren::Drop, Speculation::Likely) {
        dropped +=
            journal.count(|entry| matches!(entry, EventBody::Fact(Fact::RolloutsDropped(_))));
        let mut bought: BTreeMap<u64, Vec<(ContentId, ExampleId)>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut known_at_start = BTreeMap::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::TrialStarted(started))
                    if started.stage == Stage::Pareto =>
                {
                    let is_known = |example: &&ExampleId| {
                        known.contains(&(started.candidate, (*example).clone()))
                    };
                    asked_again += started.examples.iter().filter(is_known).count();
                    known_at_start.insert(started.trial, known.clone());
                }
                EventBody::Fact(Fact::RolloutSettled(settled))
                    if settled.stage == Stage::Pareto =>
                {
                    let outcome = (settled.candidate, settled.example.clone());
                    let known = &known_at_start[&settled.trial];
                    assert!(!known.contains(&outcome), "{outcome:?} bought again");
                    let iteration = settled.trial.iteration;
                    bought.entry(iteration).or_default().push(outcome);
                }
                EventBody::Decision(Decision::ProposalClosed(closed))
                    if closed.reason == CloseReason::Stale =>
                {
                    known.extend(bought.remove(&closed.iteration).unwrap_or_default());
                }
                _ => {}
            }
        }
    }
    assert!(dropped > 0, "nothing speculative was ever dropped");
    assert!(asked_again > 0, "nothing was asked for again");
}

#[test]
fn children_whose_pareto_scores_are_paid_for_enter_the_archive() {
    let mut finished_early = 0;
    for journal in with_stale_children(StaleChildren::Drop, Speculation::Likely) {
        let mut complete = Vec::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::TrialFinished(finished))
                    if finished.trial.index == 2 =>
                {
                    complete.push(finished.trial.iteration);
                }
                EventBody::Decision(Decision::GateDecided(gate))
                    if complete.contains(&gate.iteration) =>
                {
                    finished_early += 1;
                    let is_twin = |entry: &EventBody| matches!(entry, EventBody::Decision(Decision::ProposalClosed(c)) if c.iteration == gate.iteration && c.reason == CloseReason::Duplicate);
                    let is_accepted = |entry: &EventBody| matches!(entry, EventBody::Decision(Decision::CandidateAccepted(a)) if a.iteration == gate.iteration);
                    let is_stale = |entry: &EventBody| matches!(entry, EventBody::Decision(Decision::ProposalClosed(c)) if c.iteration == gate.iteration && c.reason == CloseReason::Stale);
                    assert_eq!(journal.count(is_stale), 0);
                    let ends_well = journal.count(is_accepted) + journal.count(is_twin) == 1;
                    assert!(!gate.passed || ends_well);
                }
                _ => {}
            }
        }
    }
    assert!(finished_early > 0);
}

#[test]
fn decided_children_are_evaluated_before_their_turn_and_nothing_is_wasted() {
    let mut ahead = 0;
    for seed in 0..20 {
        let mut world = World::new(8, 16);
        world.settings.run.speculate = Speculation::Decided;
        world.seed = seed;
        let journal = world.run(with_stragglers(seed));
        let mut undecided = BTreeSet::new();
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::ProposalIssued(issued)) => {
                    undecided.insert(issued.iteration);
                }
                EventBody::Decision(Decision::GateDecided(gate)) => {
                    undecided.remove(&gate.iteration);
                }
                EventBody::Fact(Fact::RolloutSettled(settled))
                    if settled.stage == Stage::Pareto =>
                {
                    ahead += usize::from(undecided.contains(&settled.trial.iteration));
                }
                EventBody::Decision(Decision::ProposalClosed(closed)) => {
                    assert_eq!(closed.wasted, 0);
                }
                _ => {}
            }
        }
    }
    assert!(ahead > 100, "{ahead} rollouts before their gate");
}

#[test]
fn starting_early_changes_no_decision() {
    for seed in 0..20 {
        let mut world = World::new(8, 16);
        world.seed = seed;
        let without = world.run(with_stragglers(seed)).decisions();
        world.settings.run.speculate = Speculation::Decided;
        assert_eq!(world.run(with_stragglers(seed)).decisions(), without);
    }
}
