//! What people do to a running search. Each act is one fact; who did it and why stands in the fact,
//! and when in its entry.

use gepa_archive::{Candidate, CandidateIndex, ContentId};
use gepa_evaluation::ExampleId;
use serde::{Deserialize, Serialize};

use crate::ids::RunId;

/// The person behind an act.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SteeredBy {
    /// Who acted; empty if the caller did not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// Why, in the person's words; empty if none were given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Whether no process worked on the run. The time before the entry then counts as no work.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_rest: bool,
}

impl SteeredBy {
    /// Whether nothing is known about the person.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// What an ablation of one of the run's prompts found. No decision uses it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AblationNoted {
    /// The candidate.
    pub candidate: ContentId,
    /// Its index, if it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<CandidateIndex>,
    /// The findings, as `gepa ablate --json` writes them.
    pub report: serde_json::Value,
    /// Who made it.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

/// A candidate from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateInjected {
    /// The candidate.
    pub candidate: Box<Candidate>,
    /// Whether it is compared with a parent on a minibatch first, as a proposal is. Otherwise it goes
    /// straight to the pareto set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gated: bool,
    /// The candidate that a gated one is compared with; `None` for the best one when its iteration
    /// begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CandidateIndex>,
    /// The candidate of an earlier run that it is, if the run started from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<Box<TakenFrom>>,
    /// Who submitted it.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

/// A candidate of an earlier run from which a run started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenFrom {
    /// The earlier run.
    pub run: RunId,
    /// The candidate's index there.
    pub candidate: CandidateIndex,
}

/// A candidate that may be neither a parent nor the winner from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateVetoed {
    /// The candidate.
    pub candidate: CandidateIndex,
    /// Its content.
    pub content: ContentId,
    /// Whether the final scoring scores the next best candidate in its place, and whether the seed is the
    /// result where the archive is empty. False in journals of versions that did neither.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
    /// Who vetoed it.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

/// A text that the reflection model gets from the next proposal on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintGiven {
    /// The text, which replaces the one before it; empty to give none any more.
    pub text: String,
    /// Who gave it.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

/// An example that counts no longer, because its label is wrong for instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleExcluded {
    /// The example, of any set.
    pub example: ExampleId,
    /// Who excluded it.
    #[serde(default, skip_serializing_if = "SteeredBy::is_unknown")]
    pub by: SteeredBy,
}

/// The archive after a candidate or an example was taken out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArchiveRevised {
    /// Candidates that left it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<CandidateIndex>,
    /// Candidates whose mean pareto score changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub means: Vec<RevisedMean>,
    /// Candidates in the front after dominated removal, ascending.
    pub front: Vec<CandidateIndex>,
    /// The best candidate now; `None` if the archive is empty.
    pub best: Option<CandidateIndex>,
    /// Its mean pareto score.
    pub best_score: Option<f64>,
}

/// A candidate's mean pareto score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RevisedMean {
    /// The candidate.
    pub candidate: CandidateIndex,
    /// The mean; `None` if no example with a score is left.
    pub mean_score: Option<f64>,
}
