//! The events of a run as a whole: its beginning, its interruptions and its end.

use gepa_archive::{Candidate, CandidateIndex};
use serde::{Deserialize, Serialize};

use super::growing::BestAgainstSeed;
use super::steering::SteeredBy;
use crate::config::{BudgetSettings, Settings};
use crate::counters::Counters;
use crate::ids::{RunId, Seq};
use crate::stop::StopReason;

/// The seed and the sizes of the sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`JOURNAL_FORMAT`](crate::JOURNAL_FORMAT) of the writer.
    pub format: u32,
    /// Version of the engine that started the run.
    pub engine_version: String,
    /// The seed candidate.
    pub seed: Candidate,
    /// Training examples.
    pub train: u64,
    /// Pareto examples.
    pub pareto: u64,
    /// Validation examples.
    pub validation: u64,
    /// The limits the run begins with; absent in journals of versions before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<BudgetSettings>,
    /// How scores and failures are compared; absent in journals of versions before 0.2, which left
    /// failures out of every comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<ScoreScale>,
    /// The run that this one branches from, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RunOrigin>,
    /// The settings of the shared part; absent if the run's own configuration applies from the
    /// start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Settings>>,
    /// Iterations after which [`SettingsChanged`] applies other settings, ascending. The next
    /// iteration begins only after that event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branch_points: Vec<u64>,
    /// Whether each generation began when the run's caller requested it, and not before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paced: bool,
}

/// How scores and failures are compared: a failure of the candidate's own doing counts as the lowest
/// score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreScale {
    /// The lowest and the highest score, as the evaluator declared them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Whether a failure counts as less than every score where no lowest score is known. Journals of earlier
    /// versions do not say so; there it counts as the lowest score seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open_below: bool,
}

impl ScoreScale {
    /// What a failure of a candidate's own doing counts as beside scores from `lowest` to `highest`.
    ///
    /// The lowest score of the range, if one was declared, or a score below it. Otherwise 0 while no score is below it. Scores below 0
    /// show that the lowest score is not known; a failure then counts as less than each of them, by as much as
    /// they and 0 lie apart, so that no candidate gains by failing.
    pub fn failure_score(&self, lowest: f64, highest: f64) -> f64 {
        match self.range {
            Some([declared, _]) => declared.min(lowest),
            None if lowest < 0.0 && self.is_open_below => {
                let below = lowest - (highest.max(0.0) - lowest);
                if below.is_finite() { below } else { f64::MIN }
            }
            None => lowest.min(0.0),
        }
    }
}

/// The run that another run branches from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOrigin {
    /// The run.
    pub run: RunId,
    /// The last event of its journal when the branch began.
    pub seq: Seq,
    /// The last iteration that both share.
    pub iteration: u64,
}

/// Other settings for the rest of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingsChanged {
    /// The settings in force from now on.
    pub settings: Settings,
}

/// The process that resumed the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResumed {
    /// Version of the engine that resumed.
    pub engine_version: String,
}

/// Why the process stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInterrupted {
    /// What happened, as a text for people.
    pub reason: String,
    /// Whether the provider was down. If false, the run was interrupted from outside.
    pub provider_down: bool,
    /// When calls of the provider go on, in seconds since the Unix epoch, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_on_at: Option<u64>,
}

/// A request from outside the schedule to end the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRequested {
    /// Why the run should end.
    pub reason: StopReason,
    /// Who asked, where a person did.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

/// An end without any further decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunAbandoned {
    /// Why the run is over.
    pub reason: StopReason,
}

/// Other limits for the rest of the run. If the run was over or about to end for a reason that
/// other limits can remove, the search goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsChanged {
    /// The limits in force until now.
    pub before: BudgetSettings,
    /// The limits in force from now on.
    pub after: BudgetSettings,
    /// Who changed them, where a person steered the run.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

impl LimitsChanged {
    /// The limits that differ, each as `key: before to after`.
    pub fn changes(&self) -> Vec<String> {
        let values = |limits| serde_json::to_value(limits).unwrap_or_default();
        let (before, after) = (values(&self.before), values(&self.after));
        let shown = |value: &serde_json::Value| match value {
            serde_json::Value::Null => "none".to_owned(),
            value => value.to_string(),
        };
        let keys = after.as_object().into_iter().flatten();
        keys.filter(|(key, value)| before[key.as_str()] != **value)
            .map(|(key, value)| {
                format!(
                    "{key}: {} to {}",
                    shown(&before[key.as_str()]),
                    shown(value)
                )
            })
            .collect()
    }
}

/// Optimization is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopDecided {
    /// Why.
    pub reason: StopReason,
}

/// The end of a run, with its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// Why optimization stopped.
    pub stop_reason: StopReason,
    /// The best candidate by mean pareto score, or by its estimate where rows grow; `None` if not even the seed could be scored.
    pub best: Option<CandidateIndex>,
    /// Baseline first, then the top-k by pareto score.
    pub validation: Vec<ValidationResult>,
    /// What is known about the best candidate and the seed; absent unless rows grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<BestAgainstSeed>,
    /// All counters at the end.
    pub counters: Counters,
}

/// One candidate's result on the held-out set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// The candidate.
    pub candidate: CandidateIndex,
    /// Its rank by pareto score, from 1; `None` for the baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Mean over its validation examples, where a failure of its own doing counts as the lowest score;
    /// `None` if no example counts.
    pub mean_score: Option<f64>,
    /// Scores in the order of the validation set; `None` where the rollout failed.
    pub scores: Vec<Option<f64>>,
}
