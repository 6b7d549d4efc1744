//! Why nothing was learned, from the facts of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gepa_evaluation::Stage;
use gepa_statistics::TwoWay;
use serde::Serialize;

use super::tables::RunTables;
use crate::event::{CloseReason, ReflectionFailureKind};
use crate::record::GateRow;
use crate::stop::StopReason;

/// A cause is named if it holds for this share of what it is about.
const MOST: f64 = 0.6;
/// A baseline this near to the perfect score, as a share of it, leaves nothing to show.
const SATURATED: f64 = 0.97;
/// Gates, minibatches or texts below which a pattern is not called one.
const FEWEST: usize = 4;
/// A run that was stopped before this many proposals were decided has tried too little.
const EARLY: usize = 10;

/// Why nothing was learned, with the figures that say so.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The evaluator failed.
    EvaluatorFailing {
        /// Failed rollouts.
        failed: u64,
        /// All rollouts.
        of: u64,
    },
    /// Calls of the reflection model failed.
    ReflectionModelFailing {
        /// Failed calls.
        calls: usize,
        /// All calls.
        of: usize,
        /// The last problem.
        message: String,
    },
    /// The reflection model declined to answer.
    ReflectionRefused {
        /// Refusals.
        calls: usize,
        /// All calls.
        of: usize,
    },
    /// Replies of the reflection model were cut off.
    ReflectionTruncated {
        /// Replies cut off.
        calls: usize,
        /// All calls.
        of: usize,
    },
    /// Replies of the reflection model held no usable text.
    ReflectionUnusable {
        /// Such replies.
        calls: usize,
        /// All calls.
        of: usize,
        /// The last problem.
        message: String,
    },
    /// The best candidate was not kept, because the setting asks for more certainty.
    SeedKept {
        /// The probability that the setting asks for.
        below: f64,
    },
    /// The user stopped the run.
    StoppedEarly {
        /// Candidates tried until then.
        tried: usize,
    },
    /// A budget ended the run before enough was tried.
    BudgetFloor {
        /// Candidates tried.
        tried: usize,
        /// Why it ended.
        ended: String,
    },
    /// Scores lie above the score that the settings call perfect.
    ScoresAbovePerfect {
        /// The seed's mean score.
        baseline: f64,
        /// `search.perfect_score`.
        perfect: f64,
    },
    /// The seed solves nearly everything.
    BaselineSaturated {
        /// The seed's mean score.
        baseline: f64,
        /// The score that cannot be bettered.
        perfect: f64,
    },
    /// Every minibatch was perfect.
    MinibatchesPerfect {
        /// Perfect minibatches.
        perfect: usize,
        /// All minibatches.
        of: usize,
    },
    /// The reflection model wrote texts that were known already.
    TextsDuplicate {
        /// Known texts.
        duplicates: usize,
        /// All texts.
        of: usize,
    },
    /// The evaluator said nothing about examples that were not solved.
    FeedbackEmpty {
        /// Examples without feedback and trace.
        silent: u32,
        /// Examples looked at.
        of: u32,
    },
    /// Children scored lower than their parents.
    ChildrenWorse {
        /// Gates at which the child scored lower.
        worse: usize,
        /// All gates.
        of: usize,
    },
    /// The minibatch seldom holds an example on which parent and child differ.
    GateTooNoisy {
        /// Gates at which both had the same sum.
        tied: usize,
        /// All gates.
        of: usize,
        /// Examples of a minibatch.
        minibatch: u64,
    },
    /// Children passed their gates and were not better on the pareto set.
    GateMisled {
        /// Children that passed and ended up no better than the seed.
        passed: usize,
        /// Examples of a minibatch.
        minibatch: u64,
    },
    /// The candidates do not differ beyond noise.
    NothingDiffers {
        /// Candidates compared.
        candidates: usize,
        /// The variance that neither candidate nor example explains.
        residual: f64,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EvaluatorFailing { failed, of } => write!(
                formatter,
                "the evaluator is failing: {failed} of {of} rollouts failed"
            ),
            Self::ReflectionModelFailing { calls, of, message } => write!(
                formatter,
                "the reflection model is failing: {calls} of {of} calls failed, the last with: {message}"
            ),
            Self::ReflectionRefused { calls, of } => write!(
                formatter,
                "the reflection model refused: it declined {calls} of {of} calls"
            ),
            Self::ReflectionTruncated { calls, of } => write!(
                formatter,
                "the replies of the reflection model were truncated: {calls} of {of} reached the token limit; raise \
                 `max_tokens` of the reflection model"
            ),
            Self::ReflectionUnusable { calls, of, message } => write!(
                formatter,
                "the reflection model wrote no usable text: {calls} of {of} replies were refused, the last with: \
                 {message}"
            ),
            Self::SeedKept { below } => write!(
                formatter,
                "the seed was kept: the probability that the best candidate is better is below \
                 `final.keep_seed_below` = {below}"
            ),
            Self::StoppedEarly { tried } => write!(
                formatter,
                "the run was stopped early, after {tried} candidates"
            ),
            Self::BudgetFloor { tried, ended } => write!(
                formatter,
                "the budget was too small: it ended after {tried} candidates ({ended})"
            ),
            Self::ScoresAbovePerfect { baseline, perfect } => write!(
                formatter,
                "scores lie above `search.perfect_score` = {perfect}: the seed scores {baseline:.3}, so every \
                 minibatch looks perfect and is not reflected on; set `search.perfect_score` to the highest score"
            ),
            Self::BaselineSaturated { baseline, perfect } => write!(
                formatter,
                "the baseline is saturated: the seed scores {baseline:.3} of {perfect}; harder examples would show a \
                 difference"
            ),
            Self::MinibatchesPerfect { perfect, of } => write!(
                formatter,
                "minibatches are perfect: the parent solved all examples in {perfect} of {of}; the training \
                 examples are too easy, or `search.perfect_score` is too low"
            ),
            Self::TextsDuplicate { duplicates, of } => write!(
                formatter,
                "texts repeat: {duplicates} of {of} new texts were known already; raise the temperature of the \
                 reflection model"
            ),
            Self::FeedbackEmpty { silent, of } => write!(
                formatter,
                "feedback is empty: the evaluator said nothing about {silent} of {of} examples that were not solved, \
                 so the reflection model could not see what was wrong"
            ),
            Self::ChildrenWorse { worse, of } => write!(
                formatter,
                "all children were worse: {worse} of {of} scored lower than their parents on the minibatch; try \
                 another reflection model or template"
            ),
            Self::GateTooNoisy {
                tied,
                of,
                minibatch,
            } => write!(
                formatter,
                "the gate is too coarse for a minibatch of {minibatch}: parent and child had the same sum at {tied} \
                 of {of} gates; raise `search.minibatch_size`"
            ),
            Self::GateMisled { passed, minibatch } => write!(
                formatter,
                "the gate is too noisy for a minibatch of {minibatch}: {passed} children passed it and none was \
                 better on the pareto set; raise `search.minibatch_size`"
            ),
            Self::NothingDiffers {
                candidates,
                residual,
            } => write!(
                formatter,
                "the {candidates} candidates do not differ beyond noise (residual variance {residual:.3})"
            ),
        }
    }
}

/// All causes that the facts support, the likeliest first. `of_nothing` says that the seed is the best
/// candidate; causes that only explain this are left out otherwise.
pub(super) fn all(tables: &RunTables, spread: Option<&TwoWay>, of_nothing: bool) -> Vec<Cause> {
    let facts = Facts::of(tables);
    let mut causes = Vec::new();
    causes.extend(Facts::evaluator(tables));
    if of_nothing {
        causes.extend(Facts::reflection(tables));
        causes.extend(seed_kept(tables));
        causes.extend(facts.ending(tables));
    }
    causes.extend(facts.saturation(tables));
    if of_nothing {
        causes.extend(facts.texts(tables));
        causes.extend(facts.gates(tables));
    }
    if let Some(spread) = spread.filter(|spread| spread.shows_no_difference()) {
        causes.push(Cause::NothingDiffers {
            candidates: spread.candidates,
            residual: spread.residual,
        });
    }
    causes
}

/// What the rules of more than one cause need.
struct Facts<'a> {
    /// Candidates tried beside the seed.
    tried: usize,
    gates: Vec<&'a GateRow>,
    baseline: Option<f64>,
    perfect: f64,
}

impl<'a> Facts<'a> {
    fn of(tables: &'a RunTables) -> Self {
        let children = tables.candidates.iter().skip(1);
        Self {
            tried: children.clone().count(),
            gates: children.filter_map(|row| row.gate.as_ref()).collect(),
            baseline: tables.run.summary.baseline_score,
            perfect: tables.perfect_score(),
        }
    }

    fn evaluator(tables: &RunTables) -> Option<Cause> {
        let summary = &tables.run.summary;
        let (failed, of) = (
            summary.counters.failed_rollouts,
            summary.counters.total_rollouts,
        );
        let ended = matches!(
            summary.stop_reason,
            Some(StopReason::EvaluatorFailures { .. })
        );
        let is_failing = ended || (of > 0 && failed as f64 >= 0.5 * of as f64);
        is_failing.then_some(Cause::EvaluatorFailing { failed, of })
    }

    fn reflection(tables: &RunTables) -> Option<Cause> {
        let of = tables.reflections.len();
        let failed: Vec<_> = tables
            .reflections
            .iter()
            .filter_map(|row| row.failure.as_ref())
            .collect();
        if of == 0 || (failed.len() as f64) < MOST * of as f64 {
            return None;
        }
        let mut groups: BTreeMap<u8, usize> = BTreeMap::new();
        for one in &failed {
            *groups.entry(group(one.kind)).or_default() += 1;
        }
        let (largest, calls) = groups.into_iter().max_by_key(|(_, count)| *count)?;
        let last = failed.iter().rev().find(|one| group(one.kind) == largest)?;
        let message = last.message.clone();
        Some(match last.kind {
            ReflectionFailureKind::Refused => Cause::ReflectionRefused { calls, of },
            ReflectionFailureKind::Truncated => Cause::ReflectionTruncated { calls, of },
            ReflectionFailureKind::Model | ReflectionFailureKind::KeyRejected => {
                Cause::ReflectionModelFailing { calls, of, message }
            }
            _ => Cause::ReflectionUnusable { calls, of, message },
        })
    }

    fn ending(&self, tables: &RunTables) -> Option<Cause> {
        let reason = tables.run.summary.stop_reason.as_ref()?;
        let tried = self.tried;
        let is_early = self.gates.len() < EARLY;
        match reason {
            StopReason::Requested | StopReason::Cancelled if is_early => {
                Some(Cause::StoppedEarly { tried })
            }
            StopReason::RolloutBudget { .. }
            | StopReason::ReflectionBudget { .. }
            | StopReason::TokenBudget { .. }
            | StopReason::CostBudget { .. }
            | StopReason::TimeBudget { .. }
            | StopReason::Iterations { .. }
            | StopReason::NoRollouts { .. }
                if self.gates.len() < FEWEST && self.perfect_minibatches(tables).0 < FEWEST =>
            {
                Some(Cause::BudgetFloor {
                    tried,
                    ended: reason.to_string(),
                })
            }
            _ => None,
        }
    }

    fn saturation(&self, tables: &RunTables) -> Option<Cause> {
        let (perfect, baseline) = (self.perfect, self.baseline);
        if let Some(baseline) = baseline.filter(|score| *score > perfect + 1e-9) {
            return Some(Cause::ScoresAbovePerfect { baseline, perfect });
        }
        if let Some(baseline) =
            baseline.filter(|score| perfect > 0.0 && *score >= SATURATED * perfect)
        {
            return Some(Cause::BaselineSaturated { baseline, perfect });
        }
        let (count, of) = self.perfect_minibatches(tables);
        (of >= FEWEST && count as f64 >= 0.8 * of as f64)
            .then_some(Cause::MinibatchesPerfect { perfect: count, of })
    }

    /// Minibatches on which the parent was perfect, and all minibatches.
    fn perfect_minibatches(&self, tables: &RunTables) -> (usize, usize) {
        let reflected: BTreeSet<u64> = tables
            .reflections
            .iter()
            .map(|row| row.iteration)
            .chain(tables.candidates.iter().map(|row| row.iteration))
            .collect();
        let parents = tables
            .trials
            .iter()
            .filter(|trial| trial.stage == Stage::MinibatchParent && trial.mean_score.is_some());
        let is_perfect = |mean: Option<f64>| mean.is_some_and(|mean| mean >= self.perfect);
        let perfect = parents.clone().filter(|trial| {
            is_perfect(trial.mean_score) && !reflected.contains(&trial.key.iteration)
        });
        (perfect.count(), parents.count())
    }

    fn texts(&self, tables: &RunTables) -> Vec<Cause> {
        let mut causes = Vec::new();
        // Which of two equal texts arrived first depends on timing, so each text that was tried counts as new once.
        let tried = tables.candidates.iter();
        let tried = tried.filter(|row| row.close_reason != Some(CloseReason::Duplicate));
        let new: BTreeSet<_> = tried.map(|row| row.candidate_id).collect();
        let duplicates = tables.candidates.len() - new.len();
        if self.tried >= FEWEST && duplicates as f64 >= MOST * self.tried as f64 {
            causes.push(Cause::TextsDuplicate {
                duplicates,
                of: self.tried,
            });
        }
        let seen = tables.feedback;
        if seen.looked_at as usize >= FEWEST
            && f64::from(seen.silent) >= 0.9 * f64::from(seen.looked_at)
        {
            causes.push(Cause::FeedbackEmpty {
                silent: seen.silent,
                of: seen.looked_at,
            });
        }
        causes
    }

    fn gates(&self, tables: &RunTables) -> Option<Cause> {
        let of = self.gates.len();
        if of < FEWEST {
            return None;
        }
        let count =
            |wanted: fn(&GateRow) -> bool| self.gates.iter().filter(|gate| wanted(gate)).count();
        let worse = count(|gate| gate.child_sum < gate.parent_sum);
        let tied = count(|gate| gate.child_sum == gate.parent_sum);
        let passed = count(|gate| gate.passed);
        let minibatch = tables.minibatch_size();
        if worse as f64 >= MOST * of as f64 {
            return Some(Cause::ChildrenWorse { worse, of });
        }
        if tied as f64 >= 0.5 * of as f64 {
            return Some(Cause::GateTooNoisy {
                tied,
                of,
                minibatch,
            });
        }
        (passed > 0).then_some(Cause::GateMisled { passed, minibatch })
    }
}

fn seed_kept(tables: &RunTables) -> Option<Cause> {
    let below = tables.setting("final", "keep_seed_below")?;
    // The candidate that the search ended with was another one.
    let seed = tables.seed()?.mean_score?;
    let better = tables
        .candidates
        .iter()
        .any(|row| row.index.is_some() && row.mean_score.is_some_and(|mean| mean > seed));
    better.then_some(Cause::SeedKept { below })
}

/// Failures that are one cause.
fn group(kind: ReflectionFailureKind) -> u8 {
    match kind {
        ReflectionFailureKind::Refused => 0,
        ReflectionFailureKind::Truncated => 1,
        ReflectionFailureKind::Model | ReflectionFailureKind::KeyRejected => 2,
        _ => 3,
    }
}
