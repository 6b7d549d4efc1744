//! What a verdict says.

use gepa_statistics::{Corrected, Estimate, TwoWay};
use serde::Serialize;

use super::cause::Cause;
use super::evidence::Evidence;

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// What was shown.
    pub verdict: VerdictKind,
    /// The verdict in one sentence.
    pub sentence: String,
    /// The comparison with the seed; `None` if the seed is the best candidate or has no scores.
    pub evidence: Option<Evidence>,
    /// Why nothing was learned, the likeliest cause first. Also given when a gain was not shown.
    pub causes: Vec<Cause>,
    /// How many further examples of the compared set would decide, if the difference stays.
    pub further_examples: Option<u64>,
    /// How much the accepted candidates differ on the pareto set.
    pub spread: Option<TwoWay>,
    /// What to expect of the best candidate on the pareto set, for which it was chosen.
    pub pareto_score: Option<Corrected>,
    /// How much higher the best candidate scores on the pareto set than on held-out examples.
    pub generalisation_gap: Option<Estimate>,
    /// What the verdict would be with the examples that people excluded from the set that is compared; `None` if there are
    /// none.
    pub with_excluded: Option<WithExcluded>,
}

/// The verdict with the examples that people excluded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WithExcluded {
    /// The number of excluded examples in the set that is compared.
    pub examples: usize,
    /// What would be shown.
    pub verdict: VerdictKind,
    /// The comparison with the seed.
    pub evidence: Option<Evidence>,
}

/// What a run has shown about its best candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VerdictKind {
    /// The best candidate scores higher than the seed.
    Better,
    /// The best candidate is not the seed, and the examples do not show that it scores higher.
    NotShown,
    /// The best candidate scores lower than the seed.
    Worse,
    /// The seed is the best candidate.
    NothingLearned,
    /// The run is not over.
    Pending,
}

impl VerdictKind {
    /// The verdict in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::NotShown => "not shown to be better",
            Self::Worse => "worse",
            Self::NothingLearned => "nothing was learned",
            Self::Pending => "no verdict yet",
        }
    }
}
