//! The reasons why a run ends, each with its figures.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why no further iteration began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The rollouts left do not cover another proposal.
    RolloutBudget {
        /// Rollouts allowed for optimization, the validation's share already set aside.
        limit: u64,
        /// Rollouts executed.
        used: u64,
        /// The number of rollouts that another proposal could need.
        needed: u64,
    },
    /// The reflection calls left do not cover another proposal.
    ReflectionBudget {
        /// Calls allowed.
        limit: u64,
        /// Calls made.
        used: u64,
    },
    /// The next call might have overshot the token limit.
    TokenBudget {
        /// Tokens allowed.
        limit: u64,
        /// Tokens used.
        used: u64,
        /// Tokens kept for the final scoring. Journals of earlier versions lack them.
        #[serde(default, skip_serializing_if = "is_zero")]
        set_aside: u64,
    },
    /// The next call might have overshot the cost limit.
    CostBudget {
        /// Micro-dollars allowed.
        limit_micro_usd: u64,
        /// Micro-dollars known to be spent.
        used_micro_usd: u64,
        /// Micro-dollars kept for the final scoring. Journals of earlier versions lack them.
        #[serde(default, skip_serializing_if = "is_zero")]
        set_aside_micro_usd: u64,
    },
    /// The time is up.
    TimeBudget {
        /// Seconds allowed.
        limit_seconds: f64,
    },
    /// The run has made all iterations that the limit allows.
    Iterations {
        /// The limit.
        limit: u64,
    },
    /// The archive holds as many candidates as the limit allows.
    Candidates {
        /// The limit.
        limit: u64,
    },
    /// The best mean score reached the target.
    TargetScore {
        /// The target.
        target: f64,
        /// The score.
        score: f64,
    },
    /// The best mean score has not risen for the number of iterations that the limit allows.
    NoImprovement {
        /// Iterations without a rise.
        iterations: u64,
    },
    /// The candidates differ by no more than the limit says, so nothing is learnable.
    NothingDiffers {
        /// The standard deviation between their true means, which is not exceeded with 90 % confidence.
        spread: f64,
        /// The limit.
        limit: f64,
        /// Candidates compared.
        candidates: u64,
        /// Passes over the training examples.
        passes: u64,
    },
    /// Many iterations in a row executed no rollout: their minibatches were perfect already, or
    /// every new text was a known one.
    NothingLeft {
        /// Iterations in a row without a rollout.
        iterations: u64,
    },
    /// The reflection model proposed one and the same text many times in a row, on minibatches on which
    /// its outcomes are known as well.
    Repetition {
        /// Proposals in a row.
        proposals: u64,
    },
    /// The reflection model gave no usable text many times in a row.
    ReflectionFailures {
        /// Iterations in a row.
        iterations: u64,
        /// Candidates accepted before, besides the seed.
        accepted: u64,
        /// The problem with the last text.
        message: String,
    },
    /// A condition that the program added beside the configured ones.
    Custom {
        /// The condition's name.
        name: String,
        /// What it found, for people.
        detail: String,
    },
    /// The user asked the run to stop.
    Requested,
    /// The user asked the run to end at once, without a final scoring.
    Cancelled,
    /// The run executed nothing, so it has no result. This reason replaces the one that ended the
    /// run.
    NoRollouts {
        /// What ended it.
        cause: String,
    },
    /// A provider or task app was down for longer than the run's supervisor allows.
    Outage {
        /// The minutes that the supervisor waited.
        minutes: u64,
        /// The last error seen.
        message: String,
    },
    /// The run could not be resumed: its configuration, a key or its journal is unusable.
    Unusable {
        /// What is wrong.
        message: String,
    },
    /// Too many rollouts failed for the result to mean anything.
    EvaluatorFailures {
        /// The number of failed rollouts among the last ones.
        failed: u64,
        /// The number of rollouts looked at.
        of: u64,
        /// The message of the last failure.
        message: String,
    },
}

impl StopReason {
    /// The name used in stores, exports and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::RolloutBudget { .. } => "rollout_budget",
            Self::ReflectionBudget { .. } => "reflection_budget",
            Self::TokenBudget { .. } => "token_budget",
            Self::CostBudget { .. } => "cost_budget",
            Self::TimeBudget { .. } => "time_budget",
            Self::Iterations { .. } => "iterations",
            Self::Candidates { .. } => "candidates",
            Self::TargetScore { .. } => "target_score",
            Self::NoImprovement { .. } => "no_improvement",
            Self::NothingDiffers { .. } => "nothing_differs",
            Self::NothingLeft { .. } => "nothing_left",
            Self::Repetition { .. } => "repetition",
            Self::ReflectionFailures { .. } => "reflection_failures",
            Self::Custom { .. } => "custom",
            Self::Requested => "requested",
            Self::Cancelled => "cancelled",
            Self::NoRollouts { .. } => "no_rollouts",
            Self::Outage { .. } => "outage",
            Self::Unusable { .. } => "unusable",
            Self::EvaluatorFailures { .. } => "evaluator_failures",
        }
    }

    /// Whether a run that ended for this reason can go on under other limits.
    pub fn can_be_lifted(&self) -> bool {
        let is_for_good = matches!(
            self,
            Self::Cancelled
                | Self::NothingLeft { .. }
                | Self::Repetition { .. }
                | Self::ReflectionFailures { .. }
        );
        !is_for_good && !self.is_failure()
    }

    /// How many rollouts a limit lacks for another proposal, as the end of a sentence. Empty for other reasons.
    pub(crate) fn lacking(&self) -> String {
        let Self::RolloutBudget {
            limit,
            used,
            needed,
        } = self
        else {
            return String::new();
        };
        let lacks = used.saturating_add(*needed).saturating_sub(*limit);
        format!(
            "; with what final scorings have used and may need, `budget.max_rollouts` is {lacks} too low"
        )
    }

    /// Whether a limit ended the run. One that ended before its seed was scored had a limit that is too low.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::RolloutBudget { .. }
            | Self::ReflectionBudget { .. }
            | Self::TokenBudget { .. }
            | Self::CostBudget { .. }
            | Self::TimeBudget { .. } => true,
            // The texts are those of the reasons above.
            Self::NoRollouts { cause } => [
                "rollout budget",
                "token budget",
                "cost budget",
                "time budget",
            ]
            .iter()
            .any(|limit| cause.starts_with(limit)),
            _ => false,
        }
    }

    /// Whether the run failed; false if it finished.
    pub fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::EvaluatorFailures { .. }
                | Self::ReflectionFailures { accepted: 0, .. }
                | Self::NoRollouts { .. }
                | Self::Outage { .. }
                | Self::Unusable { .. }
        )
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(amount: &u64) -> bool {
    *amount == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "it stands beside `ToString::to_string`"
)]
fn dollars(micro: &u64) -> String {
    format!("${:.4}", *micro as f64 / 1e6)
}

fn cost_spent(used: u64, limit: u64) -> String {
    let (used, limit) = (dollars(&used), dollars(&limit));
    format!("cost budget: {used} of {limit} spent")
}

fn write_end_of_budget(
    formatter: &mut fmt::Formatter<'_>,
    spent: &str,
    kept: u64,
    shown: impl Fn(&u64) -> String,
) -> fmt::Result {
    formatter.write_str(spent)?;
    let call = "the next call might not have fitted";
    if kept == 0 {
        return write!(formatter, ", {call}");
    }
    let kept = shown(&kept);
    write!(
        formatter,
        ", {kept} are kept for the final scoring, and {call} into the rest"
    )
}

impl fmt::Display for StopReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolloutBudget {
                limit,
                used,
                needed,
            } => write!(
                formatter,
                "rollout budget: {used} of {limit} rollouts used, another proposal could need {needed}"
            ),
            Self::ReflectionBudget { limit, used } => {
                write!(formatter, "reflection budget: {used} of {limit} calls made")
            }
            Self::TokenBudget {
                limit,
                used,
                set_aside,
            } => {
                let spent = format!("token budget: {used} of {limit} tokens used");
                write_end_of_budget(formatter, &spent, *set_aside, ToString::to_string)
            }
            Self::CostBudget {
                limit_micro_usd,
                used_micro_usd,
                set_aside_micro_usd,
            } => {
                let spent = cost_spent(*used_micro_usd, *limit_micro_usd);
                write_end_of_budget(formatter, &spent, *set_aside_micro_usd, dollars)
            }
            Self::TimeBudget { limit_seconds } => {
                write!(formatter, "time budget of {limit_seconds} s is up")
            }
            Self::Iterations { limit } => write!(formatter, "all {limit} iterations are done"),
            Self::Candidates { limit } => {
                write!(
                    formatter,
                    "the archive holds the {limit} candidates asked for"
                )
            }
            Self::TargetScore { target, score } => {
                write!(
                    formatter,
                    "best score {score:.4} reached the target {target}"
                )
            }
            Self::NoImprovement { iterations } => {
                write!(formatter, "no improvement in {iterations} iterations")
            }
            Self::NothingDiffers {
                spread,
                limit,
                candidates,
                passes,
            } => write!(
                formatter,
                "nothing more to learn: after {passes} passes over the training examples the {candidates} candidates \
                 differ by a standard deviation of at most {spread:.3} (90 % confidence), below \
                 `budget.least_spread` = {limit}"
            ),
            Self::NothingLeft { iterations } => write!(
                formatter,
                "nothing left to try: {iterations} iterations in a row had no rollout to execute"
            ),
            Self::Repetition { proposals } => write!(
                formatter,
                "nothing new: the reflection model proposed the same text in {proposals} proposals in a row, and its \
                 outcomes are known"
            ),
            Self::ReflectionFailures {
                iterations,
                message,
                ..
            } => write!(
                formatter,
                "the reflection model gave no usable text in {iterations} iterations in a row, the last time: {message}"
            ),
            Self::Custom { name, detail } => write!(formatter, "{name}: {detail}"),
            Self::Requested => formatter.write_str("stopped on request"),
            Self::Cancelled => formatter.write_str("cancelled on request"),
            Self::NoRollouts { cause } => {
                write!(
                    formatter,
                    "no rollout was executed, so there is no result; ended by: {cause}"
                )
            }
            Self::Outage { minutes, message } => write!(
                formatter,
                "waited {minutes} min for a provider or task app that is down: {message}"
            ),
            Self::Unusable { message } => {
                write!(formatter, "the run could not be taken up again: {message}")
            }
            Self::EvaluatorFailures {
                failed,
                of,
                message,
            } => write!(
                formatter,
                "too many evaluator failures: {failed} of the last {of} rollouts failed, the last with: {message}"
            ),
        }
    }
}
