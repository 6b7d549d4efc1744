//! Which pareto examples of a candidate are run, and in which order.

use std::sync::Arc;

use gepa_archive::{Archive, CandidateIndex, InstanceIndex};
use serde::{Deserialize, Serialize};

use crate::posterior::{Ancestors, Estimate, Posterior};
use crate::random::RandomSource;

/// A candidate about to be run on the pareto set: the seed, or a child that goes on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RowQuestion<'a> {
    /// The candidate's iteration; 0 for the seed.
    pub iteration: u64,
    /// The archive when the child's gate was committed; empty for the seed.
    pub archive: &'a Archive,
    /// Its parents in the archive.
    pub parents: &'a [CandidateIndex],
    /// The archive's name of each pareto example, by position. Its length, at least 1, is the size
    /// of the pareto set.
    pub instances: &'a [InstanceIndex],
    /// The field that the candidate is compared with; `None` unless rows grow.
    pub(crate) field: Option<&'a Field>,
}

/// What a child is compared with: the members as they stood when its gate was committed.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) order: Arc<[usize]>,
    /// `None` for the seed.
    pub(crate) rivals: Option<Rivals>,
}

/// The members of the archive at one moment, as one child sees them.
#[derive(Clone, Debug)]
pub(crate) struct Rivals {
    pub(crate) members: Arc<Posterior>,
    pub(crate) leader: CandidateIndex,
    /// The number of positions in the leader's row.
    pub(crate) length: usize,
    /// The child's parents.
    pub(crate) ancestors: Ancestors,
}

/// One known place of a candidate's row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowScore {
    /// Position in the pareto set.
    pub position: usize,
    /// What the place counts as: the score, or the lowest score where the candidate failed by its own
    /// doing. `None` where the rollout failed because of its surroundings.
    pub score: Option<f64>,
}

/// What happens to a candidate's row next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStep {
    /// Run these positions of the pareto set, then ask again.
    Run(Vec<usize>),
    /// The candidate enters the archive with the row it has.
    Enter,
    /// The proposal ends for this reason, and the candidate does not enter the archive.
    Drop(String),
}

/// Decides how much of the pareto set a candidate is run on.
///
/// The core asks [`row`](Self::row) once for the seed and once for each child, when its gate is
/// committed. It then asks the returned [`RowPlan`] for the first positions, and again each time
/// all positions ordered so far have an outcome, until the plan says that the candidate enters the
/// archive or is dropped. Results arrive in any order, so a plan that read the archive later would
/// decide differently from run to run. A plan must take everything it needs of the archive from the
/// question.
///
/// A generation begins only if the rollout budget covers [`first`](Self::first) positions of one
/// child. When a gate is committed the core reserves [`most`](Self::most) positions, or what the
/// budget leaves. A row that would need more than was reserved enters the archive as it is.
///
/// The core leaves out positions that do not exist, that were ordered before, and repetitions. It
/// cuts the first answer to `first` positions. It treats an answer without a position left as
/// [`RowStep::Enter`]. Positions that were not run stay unknown: they are no failures and count in
/// no mean.
pub trait ParetoEvaluation: Send {
    /// A plan for one candidate. Randomness comes from `random`, keyed by the iteration or by a
    /// constant.
    fn row(
        &mut self,
        question: &RowQuestion<'_>,
        random: &mut dyn RandomSource,
    ) -> Box<dyn RowPlan>;

    /// The most positions of a row's first order, 1 to `pareto`, the size of the pareto set.
    fn first(&self, pareto: usize) -> usize;

    /// The most positions of a whole row, `first` to `pareto`.
    fn most(&self, pareto: usize) -> usize {
        pareto
    }

    /// Whether every row consists of one order that does not depend on the archive. Such rows may
    /// begin before the gate is committed (`run.speculate`).
    fn is_fixed(&self) -> bool {
        false
    }

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

/// Decides on one candidate's row.
///
/// The answer depends only on what the plan took from the question and on `known`, because earlier
/// answers may have come from the journal. After a finite number of questions the plan answers with
/// something other than [`RowStep::Run`].
pub trait RowPlan: Send {
    /// The next step. `known` holds every position run so far, in the order in which they were
    /// ordered; it is empty at first.
    fn next(&mut self, known: &[RowScore]) -> RowStep;

    /// The most positions of this row. The core reserves rollouts for that many.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// The comparison behind the last step; `None` if the step follows from none. The core journals
    /// it.
    fn verdict(&self) -> Option<RungVerdict> {
        None
    }
}

/// A comparison of a child with the best candidate, after a step of its row.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RungVerdict {
    /// What is known about the child.
    pub child: Estimate,
    /// The best candidate at that time.
    pub against: CandidateIndex,
    /// The probability that the child is better.
    pub probability: f64,
    /// Whether the row grows further.
    pub goes_on: bool,
}

/// The whole pareto set at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Full;

/// The plan of [`Full`].
#[derive(Clone, Copy, Debug)]
struct WholeRow {
    pareto: usize,
}

impl ParetoEvaluation for Full {
    fn row(&mut self, question: &RowQuestion<'_>, _: &mut dyn RandomSource) -> Box<dyn RowPlan> {
        Box::new(WholeRow {
            pareto: question.instances.len(),
        })
    }

    fn first(&self, pareto: usize) -> usize {
        pareto
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn replayable(&self) -> bool {
        true
    }
}

impl RowPlan for WholeRow {
    fn next(&mut self, known: &[RowScore]) -> RowStep {
        if known.len() >= self.pareto {
            return RowStep::Enter;
        }
        let mut is_known = vec![false; self.pareto];
        for score in known {
            is_known[score.position] = true;
        }
        RowStep::Run((0..self.pareto).filter(|at| !is_known[*at]).collect())
    }
}
