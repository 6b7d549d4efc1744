//! Estimates the cost of a run before it begins.

use std::sync::Arc;

use gepa_evaluation::{
    ComponentRequest, Evaluator, ProposalRequest, Proposer, ReflectiveRecord, RolloutRequest,
    Scored, Stage, UsageBound,
};
use serde::Serialize;

use crate::config::Config;
use crate::policy::ComponentSelector;

/// Share of proposals that pass the gate; recorded runs lie between 0.15 and 0.5.
const LIKELY_ACCEPTANCE: f64 = 0.3;
/// Characters of one example in a reflection prompt, for an estimate.
const EXAMPLE_CHARS: usize = 2_000;
/// Bounds count every byte as a token and every reply at its longest. Real texts use about a
/// quarter.
const LIKELY_SHARE_OF_BOUND: f64 = 0.25;

/// The cost of a run: the minimum, the likely value, and the maximum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The minimum with which one proposal can be tried to its end.
    pub floor: PlanRow,
    /// The likely cost, with three of ten proposals accepted, up to the limits set.
    pub likely: PlanRow,
    /// The maximum for any run of this configuration; `None` fields have no limit.
    pub most: PlanRow,
    /// Whether the budget covers the minimum.
    pub affordable: bool,
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

impl Plan {
    /// Plans a run; with its evaluator and proposer, tokens and cost are estimated as well.
    pub fn of(config: &Config, connected: Option<(&dyn Evaluator, &dyn Proposer)>) -> Self {
        let bounds = connected.map_or_else(Bounds::default, |(evaluator, proposer)| Bounds {
            rollout: rollout_bound(config, evaluator),
            reflection: reflection_bound(config, proposer),
        });
        let (pareto, validation) = (
            config.sets().pareto.len() as u64,
            config.validation_rollouts(),
        );
        let budget = &config.settings().budget;
        let components = config.seed().components().len();
        let calls_each = config.settings().search.components.most(components) as u64;
        let floor_rollouts = config.floor_rollouts();
        let floor = bounds.row(
            Some(floor_rollouts),
            validation,
            Some(config.generation_size()),
            Some(calls_each * config.generation_reflections()),
            1.0,
        );

        // The parent's minibatch and the pareto set are shared by all hypotheses of a reflection.
        let (hypotheses, shared) = (config.hypotheses(), config.hypotheses() as f64);
        let minibatch = f64::from(config.settings().search.minibatch_size);
        let per_proposal = minibatch + (minibatch + LIKELY_ACCEPTANCE * pareto as f64) / shared;
        let for_search = |limit: u64| limit.saturating_sub(pareto + validation) as f64;
        let proposals_by_rollouts = budget
            .max_rollouts
            .map(|limit| (for_search(limit) / per_proposal) as u64);
        let likely_proposals = [
            proposals_by_rollouts,
            budget.max_iterations,
            budget
                .max_reflection_calls
                .map(|calls| calls / calls_each.max(1) * hypotheses),
        ]
        .into_iter()
        .flatten()
        .min();
        let likely_rollouts = likely_proposals
            .map(|count| pareto + validation + (count as f64 * per_proposal) as u64);
        let likely = bounds.row(
            likely_rollouts,
            validation,
            likely_proposals,
            likely_proposals.map(|count| count.div_ceil(hypotheses) * calls_each),
            LIKELY_SHARE_OF_BOUND,
        );

        // A generation that has begun runs to its end.
        let most_iterations = budget
            .max_iterations
            .map(|count| count.saturating_add(config.generation_size() - 1));
        let most_rollouts = [
            budget.max_rollouts,
            most_iterations.map(|count| {
                let proposals = count.saturating_mul(config.proposal_rollouts());
                proposals.saturating_add(pareto + validation)
            }),
        ]
        .into_iter()
        .flatten()
        .min();
        let cheapest = minibatch.max(0.5) / shared;
        let most_proposals = [
            most_iterations,
            budget
                .max_rollouts
                .map(|limit| (for_search(limit) / cheapest) as u64),
        ]
        .into_iter()
        .flatten()
        .min();
        let attempts = u64::from(config.settings().reflection.max_attempts);
        let most_calls = [
            budget.max_reflection_calls,
            most_proposals.map(|count| count.div_ceil(hypotheses) * calls_each * attempts),
        ]
        .into_iter()
        .flatten()
        .min();
        let mut most = bounds.row(most_rollouts, validation, most_proposals, most_calls, 1.0);
        most.tokens = least(most.tokens, budget.max_tokens);
        most.cost_usd = [most.cost_usd, budget.max_cost_usd]
            .into_iter()
            .flatten()
            .reduce(f64::min);

        let affordable = budget
            .max_rollouts
            .is_none_or(|limit| limit >= floor_rollouts);
        Self {
            floor,
            likely,
            most,
            affordable,
        }
    }
}

/// The largest cost of one call, where the models state it.
#[derive(Debug, Default)]
struct Bounds {
    rollout: Option<UsageBound>,
    reflection: Option<UsageBound>,
}

impl Bounds {
    fn row(
        &self,
        rollouts: Option<u64>,
        validation_rollouts: u64,
        proposals: Option<u64>,
        reflection_calls: Option<u64>,
        share: f64,
    ) -> PlanRow {
        let sum = |of: fn(UsageBound) -> u64| {
            let rollout = of(self.rollout?).saturating_mul(rollouts?);
            let reflection = of(self.reflection?).saturating_mul(reflection_calls?);
            Some(((rollout.saturating_add(reflection)) as f64 * share) as u64)
        };
        PlanRow {
            rollouts,
            validation_rollouts,
            proposals,
            reflection_calls,
            tokens: sum(|bound| bound.tokens),
            cost_usd: sum(|bound| bound.cost.0).map(|micro| micro as f64 / 1e6),
        }
    }
}

fn rollout_bound(config: &Config, evaluator: &dyn Evaluator) -> Option<UsageBound> {
    let run_id: Arc<str> = "plan".into();
    let bounds = config.sets().pareto.iter().map(|example| {
        evaluator.usage_bound(&RolloutRequest {
            candidate: Arc::clone(config.seed()),
            example: example.clone(),
            run_id: Arc::clone(&run_id),
            trial_id: Arc::clone(&run_id),
            stage: Stage::Pareto,
            iteration: 0,
            trial_index: 0,
            attempt: 1,
        })
    });
    bounds
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .reduce(|left, right| UsageBound {
            tokens: left.tokens.max(right.tokens),
            cost: left.cost.max(right.cost),
        })
}

/// The largest cost of a call for the component with the longest text, after a minibatch of
/// examples of some length.
fn reflection_bound(config: &Config, proposer: &dyn Proposer) -> Option<UsageBound> {
    let components = config.seed().components().iter();
    let (name, _) = components.max_by_key(|(_, text)| text.len())?;
    let reflection = &config.settings().reflection;
    let record = |example| ReflectiveRecord {
        example,
        scored: Scored {
            output: Some("x".repeat(EXAMPLE_CHARS)),
            ..Scored::default()
        },
    };
    let minibatch = u64::from(config.settings().search.minibatch_size);
    proposer.usage_bound(&ProposalRequest {
        run_id: "plan".into(),
        iteration: 1,
        candidate: Arc::clone(config.seed()),
        components: vec![ComponentRequest {
            name: Arc::clone(name),
            attempt: 1,
            complaint: None,
            wildcards: config.required_wildcards(name).to_vec(),
            max_chars: reflection.max_text_chars as usize,
        }],
        records: (0..minibatch).map(|seed| record(seed.into())).collect(),
        earlier: Vec::new(),
        texts: reflection.hypotheses,
    })
}

fn least(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    [left, right].into_iter().flatten().min()
}
