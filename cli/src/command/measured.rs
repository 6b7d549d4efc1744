//! What earlier runs of the same task used, on which a plan can rest: how long replies are and how prompts
//! grow is in no config.

use std::sync::Arc;

use gepa_ablation::{is_evaluation, is_of_same_task};
use gepa_configs::TaskConfig;
use gepa_engine::record::RunRow;
use gepa_engine::{Plan, PlanRow, Store, newest_runs};
use gepa_evaluation::Purpose;

use crate::error::CommandError;

/// Earlier runs that count, the newest.
const MOST_RUNS: usize = 5;
/// Rollouts that a run must have to say something.
const FEWEST_ROLLOUTS: u64 = 20;

/// Means over earlier runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    /// The number of runs.
    pub(crate) runs: usize,
    rollout: Mean,
    reflection: Mean,
    is_priced: bool,
}

/// What one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    tokens: f64,
    usd: f64,
}

/// The means of the newest runs of this task with the same reflection model; `None` without such runs.
pub(crate) async fn measured(
    task: &TaskConfig,
    store: &Arc<dyn Store>,
) -> Result<Option<Measured>, CommandError> {
    let is_alike = |run: &RunRow| {
        !is_evaluation(run)
            && run.config["settings"]["reflection_model"]
                == task.described["settings"]["reflection_model"]
            && run.summary.counters.total_rollouts >= FEWEST_ROLLOUTS
            && is_of_same_task(run, &task.described, task.config.prompt())
    };
    let alike = newest_runs(&**store, MOST_RUNS, is_alike).await?;
    Ok(Measured::of(&alike))
}

impl Measured {
    fn of(runs: &[RunRow]) -> Option<Self> {
        let (mut rollout, mut reflection) = (Mean::default(), Mean::default());
        let (mut rollouts, mut reflections, mut unpriced) = (0, 0, 0);
        for run in runs {
            let counters = &run.summary.counters;
            rollouts += counters.total_rollouts;
            reflections += counters.reflection_calls;
            unpriced += counters.unpriced_calls;
            for share in &counters.usage {
                let sum = match share.purpose {
                    Purpose::Reflection => &mut reflection,
                    Purpose::Rollout | Purpose::Judge => &mut rollout,
                };
                sum.tokens += share.usage.total_tokens() as f64;
                sum.usd += share.usage.cost.dollars();
            }
        }
        let has_calls = rollout.tokens > 0.0 && reflections > 0;
        has_calls.then(|| Self {
            runs: runs.len(),
            rollout: rollout.over(rollouts),
            reflection: reflection.over(reflections),
            is_priced: unpriced == 0,
        })
    }

    /// Puts tokens and cost of as many calls as the plan counts in place of its estimates. Bounds stay.
    pub(crate) fn apply(&self, plan: &mut Plan, max_tokens: Option<u64>, max_usd: Option<f64>) {
        for row in [&mut plan.floor, &mut plan.likely] {
            self.apply_to(row);
        }
        let likely = &mut plan.likely;
        likely.tokens = larger(smaller(likely.tokens, max_tokens), plan.floor.tokens);
        likely.cost_usd = likely.cost_usd.map(|cost| {
            let limited = max_usd.map_or(cost, |limit| cost.min(limit));
            limited.max(plan.floor.cost_usd.unwrap_or(0.0))
        });
        plan.most.tokens = larger(plan.most.tokens, likely.tokens);
        plan.most.cost_usd = plan
            .most
            .cost_usd
            .map(|most| most.max(likely.cost_usd.unwrap_or(0.0)));
    }

    fn apply_to(&self, row: &mut PlanRow) {
        let (Some(rollouts), Some(reflections)) = (row.rollouts, row.reflection_calls) else {
            return;
        };
        let sum = |rollout: f64, reflection: f64| {
            rollouts as f64 * rollout + reflections as f64 * reflection
        };
        let tokens = sum(self.rollout.tokens, self.reflection.tokens);
        row.tokens = Some(tokens.round() as u64);
        if self.is_priced {
            row.cost_usd = Some(sum(self.rollout.usd, self.reflection.usd));
        }
    }
}

impl Mean {
    fn over(self, calls: u64) -> Self {
        let calls = calls.max(1) as f64;
        Self {
            tokens: self.tokens / calls,
            usd: self.usd / calls,
        }
    }
}

fn smaller(value: Option<u64>, limit: Option<u64>) -> Option<u64> {
    value.map(|value| limit.map_or(value, |limit| value.min(limit)))
}

/// A bound that is not known stays so.
fn larger(bound: Option<u64>, value: Option<u64>) -> Option<u64> {
    bound.map(|bound| value.map_or(bound, |value| bound.max(value)))
}
