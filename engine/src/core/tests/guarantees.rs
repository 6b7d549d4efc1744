//! The guarantees of the core, in a small deterministic world.

use serde_json::Value;

use super::super::Work;
use super::world::World;
use crate::config::BudgetSettings;
use crate::event::{Decision, EventBody, Fact, RunResumed};

#[test]
fn a_resumed_run_orders_exactly_what_is_open_and_tries_passing_failures_again() {
    let mut world = World::new(2, 4);
    world.failing = true;
    let mut core = world.core();
    let first = core.take_work();
    let (answered, open) = first.split_at(7);
    let mut failed = 0;
    for work in answered {
        let fact = world.answer(work);
        if let Fact::RolloutSettled(settled) = &fact {
            failed += usize::from(settled.outcome.scored().is_none());
        }
        core.settle(&fact);
    }
    core.settle(&Fact::RunResumed(RunResumed {
        engine_version: "test".to_owned(),
    }));
    let orders = core.outstanding();
    assert_eq!(orders.len(), open.len() + failed);
    let again = orders
        .iter()
        .filter(|work| matches!(work, Work::Rollout(r) if r.again))
        .count();
    assert_eq!(again, failed);
}

#[test]
fn impossible_merges_never_keep_a_run_from_ending() {
    let mut world = World::new(1, 1);
    world.settings.merge.overlap_floor = 1_000;
    world.settings.merge.max_invocations = 1_000;
    let journal = world.run(|_| 0);
    let merges = journal.count(|entry| {
        matches!(entry, EventBody::Decision(Decision::ProposalIssued(p)) if p.origin == gepa_archive::Origin::Merge)
    });
    assert_eq!(merges, 0);
    assert!(
        journal.count(|entry| matches!(entry, EventBody::Decision(Decision::CandidateAccepted(_))))
            > 1
    );
}

#[test]
fn merges_happen_and_stay_within_their_limit() {
    let is_merge = |origin| origin == gepa_archive::Origin::Merge;
    let mut gated = 0;
    for seed in 0..20 {
        let mut world = World::new(1, 1);
        world.seed = seed;
        world.settings.merge.max_invocations = 2;
        let journal = world.run(|_| 0);
        let accepted = journal
            .count(|entry| matches!(entry, EventBody::Decision(Decision::CandidateAccepted(a)) if is_merge(a.origin)));
        gated += journal
            .count(|entry| matches!(entry, EventBody::Decision(Decision::ProposalIssued(p)) if is_merge(p.origin)));
        assert!(accepted <= 2, "{accepted} merges accepted with seed {seed}");
    }
    assert!(gated > 0);
}

#[test]
fn known_outcomes_of_a_parent_are_not_bought_again() {
    let world = World::new(1, 1);
    let journal = world.run(|_| 0);
    let mut seen = std::collections::BTreeSet::new();
    for entry in &journal.entries {
        let EventBody::Fact(Fact::RolloutSettled(settled)) = entry else {
            continue;
        };
        if settled.stage == gepa_evaluation::Stage::MinibatchParent {
            let fresh = seen.insert((settled.candidate, settled.example.clone()));
            assert!(
                fresh,
                "{:?} on {} bought twice",
                settled.candidate, settled.example
            );
        }
    }
    assert!(!seen.is_empty());
}

#[test]
fn every_stop_condition_ends_the_run_with_its_own_reason() {
    let check = |change: fn(&mut BudgetSettings), expected: &str| {
        let mut world = World::new(2, 4);
        world.settings.budget = BudgetSettings {
            max_rollouts: Some(5_000),
            ..Default::default()
        };
        change(&mut world.settings.budget);
        let journal = world.run(|_| 0);
        let stop = journal.entries.iter().find_map(|entry| match entry {
            EventBody::Decision(Decision::StopDecided(stop)) => Some(stop.reason.clone()),
            _ => None,
        });
        let stop = stop.expect("a run stops for a reason");
        assert_eq!(stop.as_str(), expected);
        let value = serde_json::to_value(&stop).unwrap();
        assert_eq!(value["reason"], Value::from(expected));
    };
    check(|budget| budget.max_rollouts = Some(200), "rollout_budget");
    check(
        |budget| budget.max_reflection_calls = Some(6),
        "reflection_budget",
    );
    check(|budget| budget.max_iterations = Some(5), "iterations");
    check(|budget| budget.max_candidates = Some(3), "candidates");
    check(|budget| budget.target_score = Some(0.1), "target_score");
    check(
        |budget| budget.no_improvement_iterations = Some(3),
        "no_improvement",
    );
    check(|budget| budget.least_spread = Some(10.0), "nothing_differs");
}

#[test]
fn a_run_with_nothing_left_to_execute_ends() {
    let mut world = World::new(1, 1);
    world.settings.search.perfect_score = Some(0.0);
    let journal = world.run(|_| 0);
    let stop = journal.entries.iter().find_map(|entry| match entry {
        EventBody::Decision(Decision::StopDecided(stop)) => Some(stop.reason.as_str()),
        _ => None,
    });
    assert_eq!(stop, Some("nothing_left"));
}
