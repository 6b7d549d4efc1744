//! Limits are never exceeded, and a run reports the limit that really stopped it.

use std::time::Duration;

use gepa_engine::config::BudgetSettings;
use gepa_engine::record::RunStatus;
use gepa_engine::{RunEnd, RunError, StopReason};
use gepa_evaluation::{MicroUsd, UsageBound};

use crate::probe::Probe;
use crate::records::check_sums;
use crate::world::{Finished, World, memory};

async fn within(budget: BudgetSettings, probe: Probe) -> Finished {
    let mut world = World::new();
    world.settings.budget = budget;
    let finished = world.finish(probe.shared()).await;
    check_sums(&finished.store, &finished.result).await;
    finished
}

fn reason(finished: &Finished) -> &'static str {
    match &finished.result.end {
        RunEnd::Finished(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rollouts_stay_within_their_limit_with_the_validation_share_kept() {
    for limit in [34, 60, 137] {
        let mut budget = BudgetSettings::default();
        budget.max_rollouts = Some(limit);
        let finished = within(budget, Probe::new()).await;
        let counters = &finished.result.run.summary.counters;
        assert!(counters.total_rollouts <= limit);
        assert!(counters.validation_rollouts_executed >= 6);
        assert_eq!(reason(&finished), "rollout_budget");
    }
}

#[tokio::test]
async fn reflection_calls_stay_within_their_limit() {
    let mut budget = BudgetSettings::default();
    budget.max_reflection_calls = Some(5);
    let finished = within(budget, Probe::new()).await;
    assert_eq!(finished.result.run.summary.counters.reflection_calls, 5);
    assert_eq!(reason(&finished), "reflection_budget");
}

#[tokio::test]
async fn tokens_and_cost_stay_within_their_limits_with_and_without_known_bounds() {
    let bound = UsageBound {
        tokens: 9,
        cost: MicroUsd(120),
    };
    for known in [true, false] {
        let probe = || {
            if known {
                Probe::new().bounded(bound)
            } else {
                Probe::new()
            }
        };
        let mut tokens = BudgetSettings::default();
        tokens.max_tokens = Some(900);
        let finished = within(tokens, probe()).await;
        let counters = &finished.result.run.summary.counters;
        assert!(counters.total_tokens <= 900, "{}", counters.total_tokens);
        assert_eq!(reason(&finished), "token_budget");
        assert!(counters.validation_rollouts_executed >= 6);

        let mut dollars = BudgetSettings::default();
        dollars.max_cost_usd = Some(0.01);
        let finished = within(dollars, probe()).await;
        let counters = &finished.result.run.summary.counters;
        assert!(counters.total_cost_micro_usd <= 10_000);
        assert_eq!(reason(&finished), "cost_budget");
        assert!(counters.validation_rollouts_executed >= 6);
    }
}

#[tokio::test]
async fn a_time_limit_ends_the_search_in_time_for_the_final_scoring() {
    let mut budget = BudgetSettings::default();
    budget.max_seconds = Some(1.5);
    let probe = Probe::new().waiting(|_| Duration::from_millis(20));
    let finished = within(budget, probe).await;
    assert_eq!(reason(&finished), "time_budget");
    assert!(finished.result.run.summary.best_validation_score.is_some());
}

#[tokio::test]
async fn calls_that_outlast_the_time_limit_are_cut_off_and_none_begins_after_it() {
    let mut budget = BudgetSettings::default();
    budget.max_seconds = Some(1.0);
    let hanging = Probe::new()
        .waiting(|request| Duration::from_secs(if request.iteration == 0 { 0 } else { 600 }));
    let finished = within(budget, hanging).await;
    let summary = &finished.result.run.summary;
    assert_eq!(
        finished.result.end,
        RunEnd::Finished(StopReason::TimeBudget { limit_seconds: 1.0 })
    );
    assert_eq!(summary.status, RunStatus::Succeeded);
    assert_eq!(summary.counters.validation_rollouts_executed, 0);
}

#[tokio::test]
async fn a_budget_that_affords_no_proposal_is_refused_with_the_numbers() {
    let mut world = World::new();
    world.settings.budget.max_rollouts = Some(33);
    let refused = world
        .builder(&memory(), Probe::new().shared())
        .start()
        .await;
    let Err(RunError::BudgetTooSmall {
        limit,
        floor,
        seed,
        proposal,
        validation,
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (limit, floor, seed, proposal, validation),
        (33, 34, 8, 14, 12)
    );
}
