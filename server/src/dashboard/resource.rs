//! What a page can request, by its path. A report embeds its resources under the same paths.

use std::fmt;

use gepa_engine::{RunId, Seq};

/// One piece of data that a page shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// The best candidates of two runs on the held-out examples of both.
    BestOfRuns(RunId, RunId),
    /// A part of one run.
    OfRun(RunId, Part),
}

/// A part of a run's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The run as a whole, and a table of its candidates without texts.
    View,
    /// The scores of all candidates on all examples of a set.
    Matrix(ExampleSet),
    /// The candidate that an iteration proposed, with its texts and its rollouts.
    Candidate(u64),
    /// The origin of each line of that candidate's texts.
    Blame(u64),
    /// What one rollout, or the reflection, of this event held.
    Event(Seq),
    /// What the run has shown.
    Verdict,
    /// What two candidates, named by their iterations, show against each other.
    Comparison(u64, u64),
    /// The failures of the run, grouped.
    Failures,
    /// Slots and limits over the time of the run.
    Slots,
}

/// A set of examples on which whole candidates are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExampleSet {
    /// The examples over which the front is kept.
    Pareto,
    /// The held-out examples.
    Validation,
}

impl ExampleSet {
    /// The name in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pareto => "pareto",
            Self::Validation => "validation",
        }
    }
}

impl fmt::Display for Resource {
    /// The path below `/api/`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, part) = match self {
            Self::BestOfRuns(before, after) => {
                return write!(formatter, "runs/{after}/against/{before}");
            }
            Self::OfRun(run, part) => (run, part),
        };
        write!(formatter, "runs/{run}/")?;
        match part {
            Part::View => formatter.write_str("view"),
            Part::Matrix(set) => write!(formatter, "matrix/{}", set.as_str()),
            Part::Candidate(iteration) => write!(formatter, "candidates/{iteration}"),
            Part::Blame(iteration) => write!(formatter, "blame/{iteration}"),
            Part::Event(seq) => write!(formatter, "events/{seq}"),
            Part::Verdict => formatter.write_str("verdict"),
            Part::Comparison(before, after) => write!(formatter, "comparisons/{before}/{after}"),
            Part::Failures => formatter.write_str("failures"),
            Part::Slots => formatter.write_str("slots"),
        }
    }
}
