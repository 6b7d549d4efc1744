//! Rules that hold under every combination of schedule, staleness and speculation.

use std::collections::BTreeSet;

use gepa_evaluation::Stage;

use super::world::{Journal, World, shuffler};
use crate::config::{ComponentSelection, ScheduleKind, Speculation, StaleChildren};
use crate::event::{CloseReason, Decision, EventBody, Fact, SettingsChanged};

/// Every combination that differs from the others, and two with several hypotheses.
fn worlds(gate_lag: u32, pareto_lag: u32) -> Vec<World> {
    use {ScheduleKind as Kind, Speculation as Early, StaleChildren as Stale};
    let combinations = [
        (Kind::Ordered, Stale::Keep, Early::Off),
        (Kind::Ordered, Stale::Keep, Early::Decided),
        (Kind::Free, Stale::Keep, Early::Off),
        (Kind::Free, Stale::Drop, Early::Off),
    ];
    let world = |(schedule, stale_children, speculate)| {
        let mut world = World::new(gate_lag, pareto_lag);
        world.settings.run.schedule = schedule;
        world.settings.run.stale_children = stale_children;
        world.settings.run.speculate = speculate;
        world
    };
    let mut worlds: Vec<World> = combinations.map(world).into();
    for combination in [combinations[1], combinations[3]] {
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

    assert_eq!(counters.speculative_rollouts, 0, "{context}");
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
fn with_stale_children(policy: StaleChildren) -> Vec<Journal> {
    let journals = (0..20).map(|seed| {
        let mut world = World::new(3, 6);
        world.settings.run.schedule = ScheduleKind::Free;
        world.settings.run.stale_children = policy;
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
    for journal in with_stale_children(StaleChildren::Keep) {
        assert_eq!(stale_closes(&journal), 0);
    }
    let dropped = with_stale_children(StaleChildren::Drop);
    assert!(dropped.iter().map(stale_closes).sum::<usize>() > 10);
}

/// The number of facts before the first rollout of a pareto set in a generation of two undecided gates
/// that both have one in flight.
fn facts_before_early_siblings(journal: &Journal) -> Option<usize> {
    let mut undecided = BTreeSet::new();
    let mut early = BTreeSet::new();
    let mut facts = 0;
    for entry in &journal.entries {
        facts += usize::from(entry.is_fact());
        match entry {
            EventBody::Decision(Decision::ProposalIssued(issued)) => {
                undecided.insert(issued.iteration);
            }
            EventBody::Decision(Decision::GateDecided(gate)) => {
                undecided.remove(&gate.iteration);
            }
            EventBody::Decision(Decision::TrialStarted(started))
                if started.stage == Stage::Pareto
                    && undecided.contains(&started.trial.iteration) =>
            {
                let iteration = started.trial.iteration;
                early.insert(iteration);
                let sibling = iteration - 1 + 2 * (iteration % 2);
                if early.contains(&sibling) && undecided.contains(&sibling) {
                    return Some(facts);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn early_rollouts_that_other_settings_make_unwanted_are_dropped_and_accounted_for() {
    let (mut dropped, mut wasted) = (0, 0);
    for seed in 0..20 {
        let mut world = World::new(4, 8);
        world.settings.merge.enabled = false;
        world.settings.run.speculate = Speculation::Decided;
        world.settings.search.batches_per_parent = 2;
        world.settings.budget.max_rollouts = Some(1_500);
        world.seed = seed;
        let whole = world.run(with_stragglers(seed));
        let Some(before) = facts_before_early_siblings(&whole) else {
            continue;
        };
        let mut settings = world.settings.clone();
        settings.search.keep_best = Some(1);
        let mut facts = whole.facts();
        facts.truncate(before);
        facts.push(Fact::SettingsChanged(Box::new(SettingsChanged {
            settings,
        })));
        let journal = world.resume(&facts, |_| 0);
        check_books(&world, &journal);
        dropped +=
            journal.count(|entry| matches!(entry, EventBody::Fact(Fact::RolloutsDropped(_))));
        wasted += journal.end().counters.wasted_rollouts;
    }
    assert!(
        dropped > 0 && wasted > 0,
        "{dropped} dropped, {wasted} wasted"
    );
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
