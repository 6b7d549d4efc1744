//! The events of the archive: acceptances and snapshots.

use gepa_archive::{CandidateIndex, ContentId, Origin};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::growing::Leader;
use crate::posterior::Estimate;

/// A new member of the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateAccepted {
    /// The iteration; 0 for the seed.
    pub iteration: u64,
    /// Its index in the archive.
    pub index: CandidateIndex,
    /// The candidate.
    pub candidate: ContentId,
    /// Its parents.
    pub parents: Vec<CandidateIndex>,
    /// How the candidate was made.
    pub origin: Origin,
    /// Mean over its scored pareto examples.
    pub mean_score: f64,
    /// Scores in the order of the pareto set; `None` where the rollout failed or was never run.
    pub scores: Vec<Option<f64>>,
    /// Means of its further objectives.
    pub objectives: IndexMap<String, f64>,
    /// Candidates in the front after dominated removal, ascending.
    pub front: Vec<CandidateIndex>,
    /// Whether that set changed, which counts as an improvement.
    pub improvement: bool,
    /// The number of pareto examples it was run on, failed ones included; absent unless rows grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// What is known about it; absent unless rows grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// The best candidate now; absent unless rows grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<Leader>,
    /// Whether it is the new best: by mean score, or by its estimate where rows grow.
    pub best: bool,
    /// Candidates that a bounded archive evicted for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evicted: Vec<CandidateIndex>,
    /// The number of rollouts of all iterations committed so far, this one included.
    pub committed_rollouts: u64,
}

/// The state of the archive at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotTaken {
    /// Its number within the run, from 1.
    pub ordinal: u64,
    /// Why it was taken.
    pub tag: SnapshotTag,
    /// The best candidate at the time.
    pub best: CandidateIndex,
    /// The accepted candidate that caused it; the best one for the last snapshot.
    pub subject: CandidateIndex,
    /// The subject's mean pareto score. Journals of older programs lack it, and so does a snapshot
    /// whose subject has no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Estimated tokens of the subject's messages. Journals of older programs lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_count: Option<u64>,
}

impl SnapshotTaken {
    /// Whether a run that decides `self` can have a journal that holds `stored`. Fields that
    /// `stored` lacks are not compared.
    pub(crate) fn agrees_with(&self, stored: &Self) -> bool {
        let Self {
            score, token_count, ..
        } = stored;
        let comparable = Self {
            score: score.and(self.score),
            token_count: token_count.and(self.token_count),
            ..self.clone()
        };
        comparable == *stored
    }
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnapshotTag {
    /// The seed's scores are known.
    Seed,
    /// The front changed.
    Improvement,
    /// The best aggregate score rose.
    Best,
    /// The run is over.
    Final,
}

impl SnapshotTag {
    /// The name used in stores and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Improvement => "improvement",
            Self::Best => "best_prompt",
            Self::Final => "final",
        }
    }
}
