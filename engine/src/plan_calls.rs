//! What one call of a run costs: at most, where that is known, and probably.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{
    ComponentRequest, Evaluator, MicroUsd, ProposalRequest, Proposer, ReflectiveRecord,
    RolloutRequest, Scored, Stage, UsageBound,
};

use crate::config::Config;

/// Characters of one example in a reflection prompt, for the largest cost.
const EXAMPLE_CHARS: usize = 2_000;
/// Characters of one example in a reflection prompt besides its inputs, for the likely cost.
const LIKELY_EXAMPLE_CHARS: usize = 300;
/// Characters by which rewritten texts are longer than those of the config, on average over a run.
const GROWTH_CHARS: usize = 1_500;
/// Bounds count every byte as a token and every reply at its longest. Real calls use about this share, where
/// a model gives no estimate.
const LIKELY_SHARE_OF_BOUND: f64 = 0.25;
/// Examples of a set that are looked at.
const MOST_LOOKED_AT: usize = 200;

/// The cost of single calls, where the models state it.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) seed_rollout: Option<UsageBound>,
    /// A rollout of a rewritten candidate.
    pub(crate) later_rollout: Option<UsageBound>,
    pub(crate) reflection: Option<UsageBound>,
    pub(crate) largest_rollout: Option<UsageBound>,
    pub(crate) largest_reflection: Option<UsageBound>,
    /// Whether some model states a bound and no estimate, so that a share of its bound takes the place of one.
    pub(crate) is_guessed: bool,
    /// Whether the price of every call is known.
    pub(crate) is_priced: bool,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            seed_rollout: None,
            later_rollout: None,
            reflection: None,
            largest_rollout: None,
            largest_reflection: None,
            is_guessed: false,
            is_priced: true,
        }
    }
}

impl Calls {
    pub(crate) fn of(config: &Config, evaluator: &dyn Evaluator, proposer: &dyn Proposer) -> Self {
        let seed = config.seed();
        let grown = grown(seed, config.settings().reflection.max_text_chars as usize);
        let largest_rollout = rollouts(config, seed, |request| evaluator.usage_bound(request));
        let likely = |candidate| {
            rollouts(config, candidate, |request| {
                let estimate = evaluator.usage_estimate(request);
                estimate.or_else(|| evaluator.usage_bound(request).map(likely_share))
            })
        };
        let seed_rollout = likely(seed).map(|costs| mean(&costs));
        let largest_reflection = proposer.usage_bound(&reflection(config, seed, EXAMPLE_CHARS));
        // The prompt of a rollout holds the inputs, which a reflection shows as well.
        let inputs = seed_rollout.map_or(0, |cost| cost.tokens as usize * 4);
        let shown = inputs.min(EXAMPLE_CHARS) + LIKELY_EXAMPLE_CHARS;
        let request = reflection(config, &grown, shown);
        let estimate = proposer.usage_estimate(&request);
        Self {
            seed_rollout,
            later_rollout: likely(&grown).map(|costs| mean(&costs)),
            is_guessed: estimate.is_none()
                || rollouts(config, seed, |request| evaluator.usage_estimate(request)).is_none(),
            reflection: estimate.or_else(|| largest_reflection.map(likely_share)),
            largest_rollout: largest_rollout.and_then(|costs| costs.into_iter().reduce(larger)),
            largest_reflection,
            is_priced: evaluator.is_priced() && proposer.is_priced(),
        }
    }
}

/// The costs of the candidate's rollouts on the pareto set, if all are known.
fn rollouts(
    config: &Config,
    candidate: &Arc<Candidate>,
    cost: impl Fn(&RolloutRequest) -> Option<UsageBound>,
) -> Option<Vec<UsageBound>> {
    let run_id: Arc<str> = "plan".into();
    let examples = config.sets().pareto.iter().take(MOST_LOOKED_AT);
    let costs = examples.map(|example| {
        cost(&RolloutRequest {
            candidate: Arc::clone(candidate),
            example: example.clone(),
            run_id: Arc::clone(&run_id),
            trial_id: Arc::clone(&run_id),
            stage: Stage::Pareto,
            iteration: 0,
            trial_index: 0,
            attempt: 1,
        })
    });
    costs.collect()
}

/// The seed with its longest text made longer, as rewritings are.
fn grown(seed: &Arc<Candidate>, longest: usize) -> Arc<Candidate> {
    let components = seed.components().iter();
    let Some((name, text)) = components.max_by_key(|(_, text)| text.len()) else {
        return Arc::clone(seed);
    };
    let more = GROWTH_CHARS.min(longest.saturating_sub(text.len()));
    let text = format!("{text}\n{}", "more words ".repeat(more / 11));
    let longer = seed.with_texts([(&**name, Arc::from(text))]);
    longer.map_or_else(|_| Arc::clone(seed), Arc::new)
}

/// A call for the component with the longest text, after a minibatch of examples of this length.
fn reflection(config: &Config, candidate: &Arc<Candidate>, chars: usize) -> ProposalRequest {
    let components = candidate.components().iter();
    let longest = components.max_by_key(|(_, text)| text.len());
    let record = |example| ReflectiveRecord {
        example,
        scored: Scored {
            output: Some("x".repeat(chars)),
            ..Scored::default()
        },
    };
    let minibatch = u64::from(config.settings().search.minibatch_size);
    let asked = longest.map(|(name, text)| {
        let rules = config.text_rules(name, Arc::clone(text));
        ComponentRequest {
            name: Arc::clone(name),
            attempt: 1,
            complaint: None,
            requirements: rules.requirements(),
            wildcards: rules.wildcards,
            max_chars: rules.max_chars,
            shorten: None,
        }
    });
    ProposalRequest {
        run_id: "plan".into(),
        iteration: 1,
        candidate: Arc::clone(candidate),
        components: asked.into_iter().collect(),
        records: (0..minibatch).map(|seed| record(seed.into())).collect(),
        earlier: Vec::new(),
        hint: None,
        texts: config.settings().hypotheses(),
    }
}

fn larger(left: UsageBound, right: UsageBound) -> UsageBound {
    UsageBound {
        tokens: left.tokens.max(right.tokens),
        cost: left.cost.max(right.cost),
    }
}

fn mean(costs: &[UsageBound]) -> UsageBound {
    let count = costs.len().max(1) as u64;
    let tokens: u64 = costs.iter().map(|cost| cost.tokens).sum();
    let cost: u64 = costs.iter().map(|cost| cost.cost.0).sum();
    UsageBound {
        tokens: tokens.div_ceil(count),
        cost: MicroUsd(cost.div_ceil(count)),
    }
}

fn likely_share(bound: UsageBound) -> UsageBound {
    let share = |value: u64| (value as f64 * LIKELY_SHARE_OF_BOUND) as u64;
    UsageBound {
        tokens: share(bound.tokens),
        cost: MicroUsd(share(bound.cost.0)),
    }
}
