//! Why a budget covers no proposal.

use gepa_evaluation::ScoreRange;

use crate::config::{BudgetSettings, Config};

/// A limit on tokens or money is refused if it is below this share of the estimate for one proposal. An
/// estimate can be too high, but not by that much.
const REFUSED_SHARE: f64 = 0.2;

/// An estimate of tokens and US dollars; `None` where they are not known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spending {
    pub(crate) tokens: Option<u64>,
    pub(crate) cost_usd: Option<f64>,
}

/// Why the limits allow no proposal at any cost; `None` if they allow one. `calls_each` is the number of
/// calls for one reflection, and `range` that of the scores, if it is known. An iteration limit of 0 is a wish
/// and no mistake: the seed alone is scored.
pub(crate) fn allows_nothing(
    config: &Config,
    calls_each: u64,
    range: Option<ScoreRange>,
) -> Option<String> {
    let budget = &config.settings().budget;
    let calls = calls_each * config.generation_reflections();
    let limits = [
        (
            "max_reflection_calls",
            budget.max_reflection_calls,
            calls,
            "",
        ),
        (
            "max_candidates",
            budget.max_candidates.map(u64::from),
            2,
            ", since the archive holds the seed before the first one",
        ),
        (
            "no_improvement_iterations",
            budget.no_improvement_iterations,
            1,
            "",
        ),
    ];
    let instead = "to score the seed alone, use `gepa eval`";
    for (key, limit, least, reason) in limits {
        if let Some(limit) = limit.filter(|limit| *limit < least) {
            return Some(format!(
                "`budget.{key}` = {limit} allows no proposal{reason}; set {least} or more; {instead}"
            ));
        }
    }
    let (target, lowest) = (budget.target_score?, range?.lowest());
    (target <= lowest).then(|| {
        format!(
            "`budget.target_score` = {target} allows no proposal, since no score is below {lowest} and the seed \
             reaches it; set a higher one; {instead}"
        )
    })
}

/// Why a limit on tokens or money does not cover one proposal. `surest` is the lowest estimate for one, and
/// `likely` the estimate that the message names.
pub(crate) fn costs_too_much(
    surest: Spending,
    likely: Spending,
    budget: &BudgetSettings,
) -> Option<String> {
    if let (Some(limit), Some(least), Some(needed)) =
        (budget.max_tokens, surest.tokens, likely.tokens)
        && (limit as f64) < REFUSED_SHARE * least as f64
    {
        return Some(format!(
            "`budget.max_tokens` = {limit} does not cover one proposal: seed, proposal and validation need about \
             {needed} tokens; raise it, or make the example sets smaller"
        ));
    }
    if let (Some(limit), Some(least), Some(needed)) =
        (budget.max_cost_usd, surest.cost_usd, likely.cost_usd)
        && limit < REFUSED_SHARE * least
    {
        return Some(format!(
            "`budget.max_cost_usd` = {limit} does not cover one proposal: seed, proposal and validation cost about \
             ${needed:.4}; raise it, make the example sets smaller, or set `policy.max_tokens`"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_far_below_one_proposal_is_refused_with_its_numbers() {
        let floor = Spending {
            tokens: Some(10_000),
            cost_usd: Some(0.05),
        };
        let limits = |max_tokens, max_cost_usd| BudgetSettings {
            max_tokens,
            max_cost_usd,
            ..BudgetSettings::default()
        };
        assert_eq!(
            costs_too_much(floor, floor, &limits(Some(5_000), Some(0.5))),
            None
        );
        let tokens = costs_too_much(floor, floor, &limits(Some(100), None)).unwrap();
        assert!(tokens.contains("10000 tokens"), "{tokens}");
        let cost = costs_too_much(floor, floor, &limits(None, Some(0.0001))).unwrap();
        assert!(cost.contains("$0.0500"), "{cost}");
    }
}
