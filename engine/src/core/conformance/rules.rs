//! Rules of the reference implementation that the engine deliberately does not share. They read the
//! core's own state and say when the recorded run counted, merged and stopped.

use serde_json::Value;

/// What the stop conditions look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) iterations: u64,
    pub(super) calls: u64,
    pub(super) best: f64,
    pub(super) candidates: u64,
}

/// The stop conditions, in the order in which they are asked.
///
/// `iterations` and `no_improvement` count generations, where the engine counts proposals; both
/// agree where a generation is one proposal. `metric_calls` is asked only between iterations, so
/// the reference overshoots its limit; the engine's budget is never exceeded. The engine has no
/// `all_of`.
#[derive(Debug)]
pub(super) enum Stop {
    Iterations(u64),
    MetricCalls(u64),
    ScoreThreshold(f64),
    TrackedCandidates(u64),
    NoImprovement {
        limit: u64,
        best: Option<f64>,
        count: u64,
    },
    AllOf(Vec<Stop>),
}

impl Stop {
    pub(super) fn parse(condition: &Value) -> Self {
        let limit = || condition[1].as_u64().expect("a whole limit");
        match condition[0].as_str() {
            Some("iterations") => Self::Iterations(limit()),
            Some("metric_calls") => Self::MetricCalls(limit()),
            Some("score_threshold") => {
                Self::ScoreThreshold(condition[1].as_f64().expect("a score"))
            }
            Some("tracked_candidates") => Self::TrackedCandidates(limit()),
            Some("no_improvement") => Self::NoImprovement {
                limit: limit(),
                best: None,
                count: 0,
            },
            Some("all_of") => {
                let parts = condition[1].as_array().expect("a list of conditions");
                Self::AllOf(parts.iter().map(Self::parse).collect())
            }
            other => panic!("unknown stop condition {other:?}"),
        }
    }

    /// Asks once; stateful conditions count the question.
    pub(super) fn is_reached(&mut self, standing: Standing) -> bool {
        match self {
            Self::Iterations(limit) => standing.iterations >= *limit,
            Self::MetricCalls(limit) => standing.calls >= *limit,
            Self::ScoreThreshold(threshold) => standing.best >= *threshold,
            Self::TrackedCandidates(limit) => standing.candidates >= *limit,
            Self::NoImprovement { limit, best, count } => {
                if best.is_none_or(|best| standing.best > best) {
                    *best = Some(standing.best);
                    *count = 0;
                } else {
                    *count += 1;
                }
                *count >= *limit
            }
            Self::AllOf(parts) => parts.iter_mut().all(|part| part.is_reached(standing)),
        }
    }
}

/// The number of merges still due. In the reference the limit stops merges from becoming due, but
/// not from being made, so it makes more than the limit. The engine enforces its limit.
#[derive(Debug)]
pub(super) struct MergesDue {
    pub(super) most: u64,
    pub(super) due: u64,
    pub(super) tested: u64,
}

impl MergesDue {
    pub(super) fn accepted_reflection(&mut self) {
        if self.tested < self.most {
            self.due += 1;
        }
    }

    pub(super) fn accepted_merge(&mut self) {
        self.due -= 1;
        self.tested += 1;
    }
}
