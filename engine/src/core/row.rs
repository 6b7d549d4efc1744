//! A candidate's row of pareto scores while it is being evaluated. It has one trial for each order
//! of its plan.

use std::fmt;
use std::sync::Arc;

use gepa_archive::{Candidate, InstanceIndex, InstanceScore};
use gepa_evaluation::Stage;
use indexmap::IndexMap;

use super::priority::Priority;
use super::scale::Scale;
use super::trial::Trial;
use crate::ids::TrialKey;
use crate::policy::{RowPlan, RowScore, RowStep, Seat};

/// Places of a row's trials within their iteration: the place of the first, and the place that
/// comes before all others.
pub(crate) const PARETO_TRIAL: u32 = 2;
const BEFORE_FURTHER: u32 = 3;

/// A row that is being evaluated.
pub(crate) struct Row {
    pub(super) iteration: u64,
    /// Trials of a final scoring in the same iteration.
    pub(super) trials_before: u32,
    pub(super) stage: Stage,
    pub(super) candidate: Arc<Candidate>,
    pub(super) plan: Seat<dyn RowPlan>,
    /// All but the last are complete.
    pub(super) rungs: Vec<Rung>,
    pub(super) end: Option<RowEnd>,
    /// Rollouts reserved for the row, executed ones included.
    pub(crate) reserved: u64,
    /// The age of the memory up to which outcomes count as known.
    pub(super) as_of: u64,
    /// Where its rollouts stand in the queue.
    pub(crate) priority: Priority,
}

/// One order of a row's plan.
pub(crate) struct Rung {
    pub(crate) trial: Trial,
    /// The position in the pareto set of each example of the trial.
    pub(super) positions: Vec<usize>,
}

/// What happens to the candidate after its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowEnd {
    Enter,
    Drop(String),
}

/// A plan of one order.
struct OneOrder(Vec<usize>);

impl RowPlan for OneOrder {
    fn next(&mut self, _: &[RowScore]) -> RowStep {
        match std::mem::take(&mut self.0) {
            positions if positions.is_empty() => RowStep::Enter,
            positions => RowStep::Run(positions),
        }
    }
}

impl Row {
    /// Further positions for the row of a member.
    pub(crate) fn of_positions(
        iteration: u64,
        trials_before: u32,
        candidate: Arc<Candidate>,
        positions: Vec<usize>,
        as_of: u64,
    ) -> Self {
        Self {
            iteration,
            trials_before,
            stage: Stage::Pareto,
            candidate,
            plan: Seat {
                configured: Box::new(OneOrder(positions)),
                foreign: None,
            },
            rungs: Vec::new(),
            end: None,
            reserved: 0,
            as_of,
            priority: Priority::ALONE,
        }
    }

    /// Whether every ordered rollout has an outcome.
    pub(crate) fn is_idle(&self) -> bool {
        self.rungs
            .last()
            .is_none_or(|rung| rung.trial.is_complete())
    }

    /// Whether it is known if the candidate enters or is dropped.
    pub(crate) fn is_complete(&self) -> bool {
        self.end.is_some() && self.is_idle()
    }

    /// Why the candidate is dropped; `None` if it is not.
    pub(crate) fn dropped(&self) -> Option<&str> {
        match &self.end {
            Some(RowEnd::Drop(detail)) => Some(detail),
            _ => None,
        }
    }

    pub(crate) fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.rungs.iter().map(|rung| &rung.trial)
    }

    pub(crate) fn trials_mut(&mut self) -> impl Iterator<Item = &mut Trial> {
        self.rungs.iter_mut().map(|rung| &mut rung.trial)
    }

    pub(crate) fn trial_mut(&mut self, key: TrialKey) -> Option<&mut Trial> {
        self.trials_mut().find(|trial| trial.key == key)
    }

    /// The trial that was ordered last.
    pub(crate) fn last(&self) -> Option<&Trial> {
        self.rungs.last().map(|rung| &rung.trial)
    }

    /// Moves the remaining rollouts of the row to another place in the queue. Returns the trial
    /// whose rollouts must be moved, if one is open.
    pub(crate) fn move_to(&mut self, priority: Priority) -> Option<TrialKey> {
        self.priority = priority;
        let last = &mut self.rungs.last_mut()?.trial;
        last.priority = priority;
        (!last.is_complete()).then_some(last.key)
    }

    /// The number of rollouts executed so far.
    pub(crate) fn executed(&self) -> u64 {
        self.trials().map(Trial::executed).sum()
    }

    /// The number of positions with an order so far.
    pub(crate) fn len(&self) -> usize {
        self.rungs.iter().map(|rung| rung.positions.len()).sum()
    }

    /// The outcomes in the order in which they were ordered.
    pub(crate) fn known_scores(&self) -> Vec<RowScore> {
        self.known().collect()
    }

    /// The places run so far with what each counts as in a comparison: its score, or the lowest score
    /// where the candidate failed by its own doing.
    pub(crate) fn counted(&self, scale: &Scale) -> Vec<RowScore> {
        let worst = scale.worst_among(self.known().filter_map(|known| known.score));
        let rungs = self.rungs.iter();
        let places = rungs.flat_map(|rung| rung.positions.iter().zip(rung.trial.values(worst)));
        places
            .map(|(&position, score)| RowScore { position, score })
            .collect()
    }

    /// Scores by position of the pareto set; `None` where a rollout failed, is open or was never
    /// ordered.
    pub(crate) fn scores(&self, pareto: usize) -> Vec<Option<f64>> {
        let mut scores = vec![None; pareto];
        for score in self.known() {
            scores[score.position] = score.score;
        }
        scores
    }

    /// The scores in the order in which they were obtained. Failures of the candidate's own doing count
    /// as the lowest score.
    pub(crate) fn obtained(
        &self,
        instances: &[InstanceIndex],
        scale: &Scale,
    ) -> Vec<InstanceScore> {
        let worst = scale.worst_among(self.known().filter_map(|known| known.score));
        let mut obtained = Vec::with_capacity(self.len());
        for Rung { trial, positions } in &self.rungs {
            for at in trial.obtained() {
                let (score, objectives) = match trial.scored(at) {
                    Some(scored) => (Some(scored.score), scored.objectives.clone()),
                    None => (trial.value(at, worst), IndexMap::new()),
                };
                obtained.extend(score.map(|score| InstanceScore {
                    instance: instances[positions[at]],
                    score,
                    objectives,
                }));
            }
        }
        obtained
    }

    fn known(&self) -> impl Iterator<Item = RowScore> + '_ {
        self.rungs.iter().flat_map(|rung| {
            let scores = rung.trial.scores();
            let places = rung.positions.iter().zip(scores);
            places.map(|(&position, score)| RowScore { position, score })
        })
    }

    pub(super) fn next_key(&self) -> TrialKey {
        let number = self.rungs.len() as u32;
        let index = match (self.stage, number) {
            (Stage::Seed, number) => number,
            (_, 0) => PARETO_TRIAL,
            (_, number) => BEFORE_FURTHER + number,
        };
        TrialKey {
            iteration: self.iteration,
            index: self.trials_before + index,
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Row")
            .field("iteration", &self.iteration)
            .field("run", &self.len())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
