//! Estimates the cost of a run before it begins.

use gepa_evaluation::{Evaluator, Proposer, UsageBound};
use serde::Serialize;

use crate::config::{Config, Evaluation};
use crate::plan_calls::Calls;
use crate::plan_refusal::{Spending, allows_nothing, costs_too_much};
use crate::policy::ComponentSelector;

/// Share of proposals that pass the gate; recorded runs lie between 0.15 and 0.8.
const LIKELY_ACCEPTANCE: f64 = 0.55;
/// Length of the row of pareto scores of an accepted candidate where rows grow, in first orders; recorded runs
/// lie between 1.5 and 3.5.
const LIKELY_ROW: f64 = 2.5;
/// More proposals than any limit on tokens or money allows.
const MOST_PROPOSALS: u64 = 1 << 32;
/// A run with `no_improvement_iterations` makes about this many times as many iterations: the count begins
/// again with each improvement.
const LIKELY_PATIENCE: u64 = 2;

/// The cost of a run: the minimum, the likely value, and the maximum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The minimum with which one proposal can be tried to its end.
    pub floor: PlanRow,
    /// The likely cost, up to the limits set. No value is below the minimum.
    pub likely: PlanRow,
    /// The maximum for any run of this configuration; `None` fields have no limit. No value is below the
    /// likely one.
    pub most: PlanRow,
    /// Whether the budget covers the minimum.
    pub affordable: bool,
    /// Why the budget covers no proposal, unless it is the limit on rollouts.
    pub refusal: Option<String>,
    /// Whether calls are made whose price is not known, so that no limit on money counts them.
    pub unpriced: bool,
}

/// One column of a [`Plan`]; `None` where no limit applies or the value is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PlanRow {
    /// Rollouts, the final validation included.
    pub rollouts: Option<u64>,
    /// Of these, for the final validation.
    pub validation_rollouts: u64,
    /// Proposals tried.
    pub proposals: Option<u64>,
    /// Calls of the reflection model or another proposer, one for each component.
    pub reflection_calls: Option<u64>,
    /// Tokens of all models.
    pub tokens: Option<u64>,
    /// US dollars.
    pub cost_usd: Option<f64>,
}

/// The number of calls that a column stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    rollouts: Option<u64>,
    validation: u64,
    proposals: Option<u64>,
    reflection_calls: Option<u64>,
}

impl Plan {
    /// Whether the limits allow a proposal at any cost.
    pub fn allows_proposals(&self) -> bool {
        self.floor.proposals != Some(0)
    }

    /// Plans a run; with its evaluator and proposer, tokens and cost are estimated as well.
    pub fn of(config: &Config, connected: Option<(&dyn Evaluator, &dyn Proposer)>) -> Self {
        let range = connected.and_then(|(evaluator, _)| evaluator.score_range());
        let calls = connected.map(|(evaluator, proposer)| Calls::of(config, evaluator, proposer));
        let calls = calls.unwrap_or_default();
        let budget = &config.settings().budget;
        let row = |count: Count, spent: [Option<u64>; 2]| PlanRow {
            rollouts: count.rollouts,
            validation_rollouts: count.validation,
            proposals: count.proposals,
            reflection_calls: count.reflection_calls,
            tokens: spent[0],
            cost_usd: spent[1]
                .filter(|_| calls.is_priced)
                .map(|micro| micro as f64 / 1e6),
        };
        // Seed and baseline are scored with the texts of the config, the rest with longer ones.
        let seed_rollouts = config.first_order() + config.sets().validation.len() as u64;
        let spent_at = |later_rollout: Option<UsageBound>, count: Count| {
            [tokens_of as fn(UsageBound) -> u64, cost_of].map(|of| {
                let rollouts = count.rollouts?;
                let of_seed = of(calls.seed_rollout?).saturating_mul(seed_rollouts.min(rollouts));
                let later = rollouts.saturating_sub(seed_rollouts);
                let of_later = of(later_rollout?).saturating_mul(later);
                let reflections = of(calls.reflection?).saturating_mul(count.reflection_calls?);
                Some(of_seed.saturating_add(of_later).saturating_add(reflections))
            })
        };
        let likely_spent = |count: Count| spent_at(calls.later_rollout, count);
        let most_spent = |count: Count| {
            [tokens_of as fn(UsageBound) -> u64, cost_of].map(|of| {
                let rollouts = of(calls.largest_rollout?).saturating_mul(count.rollouts?);
                let reflections =
                    of(calls.largest_reflection?).saturating_mul(count.reflection_calls?);
                Some(rollouts.saturating_add(reflections))
            })
        };
        let components = config.seed().components().len();
        let calls_each = config.settings().search.components.most(components) as u64;
        let forbidden = allows_nothing(config, calls_each, range);
        let set_aside = config.validation_rollouts();
        let covers_rollouts = budget
            .max_rollouts
            .is_none_or(|limit| limit >= config.floor_rollouts());
        // A limit has to cover what is set aside. Within the limit, what is bought counts.
        let validation = if covers_rollouts {
            validation(config, config.generation_reflections())
        } else {
            set_aside
        };
        let least = Count {
            rollouts: Some(config.floor_rollouts() - set_aside + validation),
            validation,
            proposals: Some(config.generation_size()),
            reflection_calls: Some(calls_each * config.generation_reflections()),
        };
        let scores_seed = budget.max_iterations == Some(0);
        let idle = (forbidden.is_some() || scores_seed).then(|| without_proposals(config));
        let least = idle.unwrap_or(least);
        let mut floor = row(least, likely_spent(least));
        let max_cost = budget.max_cost_usd.filter(|_| calls.is_priced);
        let max_cost = max_cost.map(|dollars| (dollars * 1e6) as u64);
        let fits = |count: Count| {
            let [tokens, cost] = likely_spent(count);
            let is_within = |spent: Option<u64>, limit: Option<u64>| match (spent, limit) {
                (Some(spent), Some(limit)) => spent <= limit,
                _ => true,
            };
            is_within(tokens, budget.max_tokens) && is_within(cost, max_cost)
        };
        let expected = idle.unwrap_or_else(|| expected(config, calls_each, fits));
        let mut likely = row(expected, likely_spent(expected));
        let largest = idle.unwrap_or_else(|| largest(config, calls_each));
        let mut most = row(largest, most_spent(largest));
        // Only what the models themselves estimate, for texts that do not grow, is sure enough to refuse a run.
        let surest = row(least, spent_at(calls.seed_rollout, least));
        let too_much = || {
            costs_too_much(spending(&surest), spending(&floor), budget)
                .filter(|_| !calls.is_guessed)
        };
        let refusal = forbidden.or_else(too_much);
        // Under a limit that covers nothing nothing is spent. The columns say what would be needed.
        if refusal.is_none() {
            most.tokens = min_of(most.tokens, budget.max_tokens);
            most.cost_usd = match budget.max_cost_usd {
                // A limit does not hold for calls of unknown price.
                Some(limit) if calls.is_priced => min_of(most.cost_usd, Some(limit)),
                _ => most.cost_usd,
            };
            // A limit below an estimate bounds what is paid for the tokens, and the tokens that are paid for.
            let share = share_within(&floor, &most);
            for row in [&mut floor, &mut likely] {
                row.tokens = row.tokens.map(|tokens| (tokens as f64 * share) as u64);
                row.cost_usd = row.cost_usd.map(|cost| cost * share);
            }
        }
        let [floor, likely, most] = ascending(floor, likely, most);
        Self {
            floor,
            likely,
            most,
            affordable: covers_rollouts && refusal.is_none(),
            refusal,
            unpriced: !calls.is_priced,
        }
    }
}

/// The most proposals that the limits are likely to allow. `fits` says whether tokens and money do.
fn expected(config: &Config, calls_each: u64, fits: impl Fn(Count) -> bool) -> Count {
    let budget = &config.settings().budget;
    let set_aside = config.first_order() + config.validation_rollouts();
    // The parent's minibatch and the row of pareto scores are shared by all hypotheses of a reflection.
    let (hypotheses, shared) = (config.hypotheses(), config.hypotheses() as f64);
    let minibatch = f64::from(config.settings().search.minibatch_size);
    let row = likely_row(config);
    let per_proposal = minibatch + (minibatch + LIKELY_ACCEPTANCE * row) / shared;
    // At most one text of a reflection is accepted, the best that passes.
    let one_passes = 1.0 - (1.0 - LIKELY_ACCEPTANCE).powf(shared);
    let proposals = [
        budget
            .max_rollouts
            .map(|limit| (limit.saturating_sub(set_aside) as f64 / per_proposal) as u64),
        budget.max_iterations,
        budget
            .max_reflection_calls
            .map(|calls| calls / calls_each.max(1) * hypotheses),
        budget
            .no_improvement_iterations
            .map(|count| count.saturating_mul(LIKELY_PATIENCE)),
        budget.max_candidates.map(|candidates| {
            let reflections = f64::from(candidates.saturating_sub(1)) / one_passes;
            (reflections.ceil() as u64).saturating_mul(hypotheses)
        }),
    ];
    let count_of = |proposals: Option<u64>| {
        let accepted = proposals.map_or(u64::MAX, |count| {
            (one_passes * count.div_ceil(hypotheses) as f64).round() as u64
        });
        let validation = validation(config, accepted);
        let fixed = config.first_order() + validation;
        Count {
            rollouts: proposals.map(|count| fixed + (count as f64 * per_proposal) as u64),
            validation,
            proposals,
            reflection_calls: proposals.map(|count| count.div_ceil(hypotheses) * calls_each),
        }
    };
    let by_numbers = proposals.into_iter().flatten().min();
    let is_limited = budget.max_tokens.is_some() || budget.max_cost_usd.is_some();
    let most = by_numbers.or(is_limited.then_some(MOST_PROPOSALS));
    if fits(count_of(most)) {
        return count_of(by_numbers);
    }
    // What a run costs rises with its proposals.
    let (mut low, mut high) = (0, most.unwrap_or_default());
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(count_of(Some(middle))) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    count_of(Some(low))
}

/// The pareto examples on which an accepted candidate is run.
fn likely_row(config: &Config) -> f64 {
    let pareto = config.sets().pareto.len() as f64;
    match config.settings().search.evaluation {
        Evaluation::Full => pareto,
        Evaluation::Growing => pareto.min(LIKELY_ROW * config.first_order() as f64),
    }
}

/// Rollouts of the final scoring: the seed's, and those of the best of `accepted` candidates.
fn validation(config: &Config, accepted: u64) -> u64 {
    let best = accepted
        .max(1)
        .min(config.settings().validation.top_k.into());
    (1 + best) * config.sets().validation.len() as u64
}

/// A run that proposes nothing scores its seed, on held-out examples as well.
fn without_proposals(config: &Config) -> Count {
    let validation = config.sets().validation.len() as u64;
    Count {
        rollouts: Some(config.first_order() + validation),
        validation,
        proposals: Some(0),
        reflection_calls: Some(0),
    }
}

fn largest(config: &Config, calls_each: u64) -> Count {
    let budget = &config.settings().budget;
    let fixed = config.first_order() + config.validation_rollouts();
    let (hypotheses, shared) = (config.hypotheses(), config.hypotheses() as f64);
    let minibatch = f64::from(config.settings().search.minibatch_size);
    // A generation that has begun runs to its end.
    let iterations = budget
        .max_iterations
        .map(|count| count.saturating_add(config.generation_size() - 1));
    let by_iterations = iterations.map(|count| {
        let proposals = count.saturating_mul(config.proposal_rollouts());
        proposals.saturating_add(fixed)
    });
    let cheapest = minibatch.max(0.5) / shared;
    let by_rollouts = budget
        .max_rollouts
        .map(|limit| (limit.saturating_sub(fixed) as f64 / cheapest) as u64);
    let proposals = min_of(iterations, by_rollouts);
    let attempts = u64::from(config.settings().reflection.max_attempts);
    let calls = proposals.map(|count| count.div_ceil(hypotheses) * calls_each * attempts);
    Count {
        rollouts: min_of(budget.max_rollouts, by_iterations),
        validation: config.validation_rollouts(),
        proposals,
        reflection_calls: min_of(budget.max_reflection_calls, calls),
    }
}

fn spending(row: &PlanRow) -> Spending {
    Spending {
        tokens: row.tokens,
        cost_usd: row.cost_usd,
    }
}

/// The share of these tokens and this cost that the maximum allows, at most 1.
fn share_within(row: &PlanRow, most: &PlanRow) -> f64 {
    let share = |value: f64, limit: f64| if value > limit { limit / value } else { 1.0 };
    let of_tokens = match (row.tokens, most.tokens) {
        (Some(tokens), Some(limit)) => share(tokens as f64, limit as f64),
        _ => 1.0,
    };
    let of_cost = match (row.cost_usd, most.cost_usd) {
        (Some(cost), Some(limit)) => share(cost, limit),
        _ => 1.0,
    };
    of_tokens.min(of_cost)
}

/// The three columns, with no value below the one to its left and none above the maximum.
fn ascending(mut floor: PlanRow, mut likely: PlanRow, most: PlanRow) -> [PlanRow; 3] {
    macro_rules! in_order {
        ($($field:ident),*) => {
            $(
                floor.$field = min_of(floor.$field, most.$field);
                likely.$field = max_of(min_of(likely.$field, most.$field), floor.$field);
            )*
        };
    }
    in_order!(rollouts, proposals, reflection_calls, tokens, cost_usd);
    likely.validation_rollouts = likely.validation_rollouts.max(floor.validation_rollouts);
    [floor, likely, most]
}

fn tokens_of(bound: UsageBound) -> u64 {
    bound.tokens
}

fn cost_of(bound: UsageBound) -> u64 {
    bound.cost.0
}

/// The smaller value; a missing left one stays missing if there is no limit.
fn min_of<T: PartialOrd + Copy>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if right < left { right } else { left }),
        (left, right) => left.or(right),
    }
}

/// The greater value, if the left one is known.
fn max_of<T: PartialOrd + Copy>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) if right > left => Some(right),
        (left, _) => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_ascend_whatever_the_estimates_say() {
        let row = |tokens, cost_usd| PlanRow {
            tokens,
            cost_usd,
            ..PlanRow::default()
        };
        let columns = ascending(
            row(Some(721_360), Some(1.15)),
            row(Some(716_419), Some(1.33)),
            row(Some(900_000), Some(0.5)),
        );
        let tokens = columns.map(|row| row.tokens.unwrap());
        let costs = columns.map(|row| row.cost_usd.unwrap());
        assert!(tokens.is_sorted(), "{tokens:?}");
        assert!(costs.is_sorted(), "{costs:?}");
        let unknown = ascending(row(None, None), row(None, None), row(None, None));
        assert!(unknown.iter().all(|row| row.cost_usd.is_none()));
    }
}
