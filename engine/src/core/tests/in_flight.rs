//! Outcomes that proposals in flight share.

use std::collections::BTreeMap;

use gepa_evaluation::{FailureKind, Outcome};

use super::super::{Core, RolloutWork, Work};
use super::world::{Journal, World, is_of_gate, shuffler};
use crate::config::{Duplicates, Evaluation, ScheduleKind};
use crate::event::{EventBody, Fact, RolloutSettled, SteeredBy, StopRequested};
use crate::stop::StopReason;

/// Worlds whose reflections repeat themselves.
fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for lags in [(1, 1), (2, 2), (4, 4), (3, 9), (12, 30)] {
        for (evaluation, schedule) in [
            (Evaluation::Full, ScheduleKind::Ordered),
            (Evaluation::Growing, ScheduleKind::Ordered),
            (Evaluation::Full, ScheduleKind::Free),
            (Evaluation::Growing, ScheduleKind::Free),
        ] {
            let mut world = World::new(lags.0, lags.1);
            world.repeating = true;
            world.seed = worlds.len() as u64;
            world.settings.run.schedule = schedule;
            world.settings.reflection.hypotheses = Some(1 + worlds.len() as u32 % 2);
            world.settings.budget.max_rollouts = Some(400);
            let search = &mut world.settings.search;
            search.evaluation = evaluation;
            search.growing.n0 = 4;
            search.skip_perfect = false;
            if worlds.len() % 3 == 1 {
                search.duplicates = Duplicates::Keep;
            }
            if worlds.len() % 4 == 3 {
                search.batches_per_parent = 3;
            }
            worlds.push(world);
        }
    }
    worlds
}

/// How many outcomes were bought for gates, and how many of these had been bought before.
fn bought(journal: &Journal) -> (usize, usize) {
    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    for entry in &journal.entries {
        if let EventBody::Fact(Fact::RolloutSettled(settled)) = entry
            && is_of_gate(settled.stage)
        {
            let pair = (settled.candidate, settled.example.clone());
            *times.entry(pair).or_default() += 1;
        }
    }
    let all: usize = times.values().sum();
    (all, all - times.len())
}

#[test]
fn no_gate_buys_an_outcome_that_another_one_bought_or_is_buying() {
    let mut without_sharing = 0;
    for (at, mut world) in worlds().into_iter().enumerate() {
        for seed in 0..4 {
            let (all, again) = bought(&world.run(shuffler(seed)));
            assert!(all > 0 && again == 0, "world {at}: {again} of {all}");
        }
        world.settings.search.reuse_in_flight = false;
        without_sharing += bought(&world.run(shuffler(1))).1;
    }
    assert!(without_sharing > 500, "{without_sharing}");
}

#[test]
fn what_is_shared_depends_on_no_order_of_results() {
    for (at, mut world) in worlds().into_iter().enumerate() {
        if world.settings.run.schedule == ScheduleKind::Free {
            continue;
        }
        for failing in [false, true] {
            world.failing = failing;
            let lines = |journal: &Journal| {
                let mut lines: Vec<String> = journal.lines().collect();
                lines.sort_unstable();
                lines
            };
            let expected = lines(&world.run(|_| 0));
            for seed in 0..5 {
                let found = lines(&world.run(shuffler(seed)));
                let mut both = found.iter().zip(&expected);
                let differs = both.find(|(one, other)| one != other);
                assert!(found == expected, "world {at}, order {seed}: {differs:?}");
            }
        }
    }
}

#[test]
fn what_was_shared_is_counted_once_and_within_the_budget() {
    let mut ended_by_budget = 0;
    for budget in [40, 90, 171, 400] {
        for (at, mut world) in worlds().into_iter().enumerate() {
            world.failing = at % 2 == 1;
            world.settings.budget.max_rollouts = Some(budget);
            let journal = world.run(shuffler(budget));
            let counters = &journal.end().counters;
            assert!(counters.total_rollouts <= budget, "world {at}");
            if let StopReason::RolloutBudget { used, .. } = journal.end().stop_reason {
                assert_eq!(used, counters.optimization_rollouts_executed, "world {at}");
                ended_by_budget += 1;
            }
        }
    }
    assert!(ended_by_budget > 20, "{ended_by_budget}");
}

#[test]
fn a_stop_in_the_middle_counts_what_was_executed_and_nothing_else() {
    for world in worlds() {
        let facts = world.run(shuffler(2)).facts();
        for cut in (1..facts.len().min(300)).step_by(23) {
            let mut core = world.core();
            for fact in &facts[..cut] {
                core.settle(fact);
            }
            if core.archive().is_empty() {
                continue;
            }
            core.settle(&Fact::StopRequested(StopRequested {
                reason: StopReason::Requested,
                by: SteeredBy::default(),
            }));
            let executed = core.counters().optimization_rollouts_executed;
            assert_eq!(core.ledger.settled().rollouts, executed, "cut after {cut}");
        }
    }
}

#[test]
fn a_killed_run_buys_nothing_again_that_was_bought_or_shared() {
    for world in worlds().into_iter().step_by(3) {
        let whole = world.run(shuffler(5));
        let facts = whole.facts();
        for cut in (0..facts.len()).step_by(67) {
            let resumed = world.resume(&facts[..cut], shuffler(cut as u64));
            assert_eq!(bought(&resumed).1, 0, "cut after {cut}");
            if world.settings.run.schedule == ScheduleKind::Ordered {
                assert!(resumed.decisions() == whole.decisions(), "cut after {cut}");
            }
        }
    }
}

/// A core whose two first proposals need the outcomes of the seed on the same examples, and the orders of
/// the first.
fn two_parents_alike() -> (World, Core, Vec<RolloutWork>) {
    let mut world = World::new(2, 2);
    world.settings.search.minibatch_size = 20;
    let mut core = world.core();
    for seed in core.take_work() {
        core.settle(&world.answer(&seed));
    }
    let orders: Vec<RolloutWork> = core.take_work().into_iter().filter_map(rollout).collect();
    (world, core, orders)
}

fn rollout(work: Work) -> Option<RolloutWork> {
    match work {
        Work::Rollout(work) => Some(work),
        _ => None,
    }
}

fn settle(core: &mut Core, order: &RolloutWork, outcome: Outcome) {
    let settled = RolloutSettled::new(
        order.trial,
        order.stage,
        order.candidate.content_id(),
        order.position as u32,
        order.example.clone(),
        outcome,
    );
    core.settle(&Fact::RolloutSettled(Box::new(settled)));
}

#[test]
fn an_outcome_in_flight_is_ordered_once_and_completes_both_trials() {
    let (world, mut core, orders) = two_parents_alike();
    assert_eq!(orders.len(), 20);
    assert!(orders.iter().all(|order| order.trial.iteration == 1));
    for order in orders {
        core.settle(&world.answer(&Work::Rollout(order)));
    }
    let next = core.take_work();
    let reflections = next.iter().filter_map(|work| match work {
        Work::Reflection(reflection) => Some((reflection.iteration, reflection.records.len())),
        _ => None,
    });
    assert_eq!(reflections.collect::<Vec<_>>(), [(1, 20), (2, 20)]);
    assert_eq!(next.len(), 2);
}

#[test]
fn who_waits_for_a_failure_that_may_pass_buys_the_outcome_itself() {
    for kind in [FailureKind::Transient, FailureKind::Timeout] {
        let (world, mut core, orders) = two_parents_alike();
        settle(&mut core, &orders[7], Outcome::failed(kind, "overloaded"));
        let instead: Vec<RolloutWork> = core.take_work().into_iter().filter_map(rollout).collect();
        assert_eq!(instead.len(), 1);
        assert_eq!(instead[0].trial.iteration, 2);
        assert_eq!(instead[0].example, orders[7].example);
        assert!(!instead[0].again);
        core.settle(&world.answer(&Work::Rollout(instead[0].clone())));
        for (_, order) in orders.into_iter().enumerate().filter(|(at, _)| *at != 7) {
            core.settle(&world.answer(&Work::Rollout(order)));
        }
        let scored = core.take_work().into_iter().find_map(|work| match work {
            Work::Reflection(work) if work.iteration == 2 => Some(work.records.len()),
            _ => None,
        });
        assert_eq!(scored, Some(20), "the second proposal has its own outcome");
    }
}

#[test]
fn a_failure_that_would_happen_again_is_shared() {
    for kind in [FailureKind::Permanent, FailureKind::Refused] {
        let (_, mut core, orders) = two_parents_alike();
        settle(&mut core, &orders[7], Outcome::failed(kind, "no such file"));
        assert!(core.take_work().is_empty());
    }
}
