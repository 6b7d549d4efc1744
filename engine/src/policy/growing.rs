//! Rows that grow in steps while the child may still beat the best candidate.
//!
//! All rows follow one order of the pareto set, so two rows have the shorter one's examples in
//! common. A child's row ends at the length of the best candidate's row, or as soon as the child is
//! unlikely to be better. The child enters the archive either way, with the row it has.

use std::sync::Arc;

use gepa_archive::CandidateIndex;

use super::evaluation::{
    ParetoEvaluation, Rivals, RowPlan, RowQuestion, RowScore, RowStep, RungVerdict,
};
use crate::config::GrowingSettings;
use crate::random::RandomSource;

/// `search.evaluation = "growing"`.
#[derive(Clone, Debug)]
pub struct Growing {
    settings: GrowingSettings,
}

/// The plan of one row.
#[derive(Debug)]
struct Ladder {
    settings: GrowingSettings,
    order: Arc<[usize]>,
    rivals: Option<Rivals>,
    verdict: Option<RungVerdict>,
}

/// The index of the child in a comparison; greater than that of any member.
const CHILD: CandidateIndex = CandidateIndex(u32::MAX);

impl Growing {
    /// Rows that grow as `settings` say.
    pub fn new(settings: GrowingSettings) -> Self {
        Self { settings }
    }
}

impl ParetoEvaluation for Growing {
    fn row(&mut self, question: &RowQuestion<'_>, _: &mut dyn RandomSource) -> Box<dyn RowPlan> {
        let (order, rivals) = match question.field {
            Some(field) => (Arc::clone(&field.order), field.rivals.clone()),
            None => ((0..question.instances.len()).collect(), None),
        };
        Box::new(Ladder {
            settings: self.settings.clone(),
            order,
            rivals,
            verdict: None,
        })
    }

    fn first(&self, pareto: usize) -> usize {
        pareto.min(self.settings.n0 as usize)
    }

    fn replayable(&self) -> bool {
        true
    }
}

impl RowPlan for Ladder {
    fn next(&mut self, known: &[RowScore]) -> RowStep {
        self.verdict = None;
        if !known.is_empty() {
            self.verdict = self.judge(known);
            if self.verdict.is_none_or(|verdict| !verdict.goes_on) {
                return RowStep::Enter;
            }
        }
        let to = self.rung_after(known.len());
        RowStep::Run(self.order[known.len().min(to)..to].to_vec())
    }

    /// The seed's row is as long as the first step; a child's as long as the leader's, so that it
    /// can show whether the child is better.
    fn most(&self) -> usize {
        let first = self.settings.n0 as usize;
        let leader = self.rivals.as_ref().map_or(first, |rivals| rivals.length);
        leader.clamp(1, self.order.len())
    }

    fn verdict(&self) -> Option<RungVerdict> {
        self.verdict
    }
}

impl Ladder {
    /// The length of the row after the step that follows `length`.
    fn rung_after(&self, length: usize) -> usize {
        let most = self.most();
        let mut rung = (self.settings.n0 as usize).max(1);
        while rung <= length && rung < most {
            let longer = libm::ceil(rung as f64 * self.settings.grow);
            // A factor close to 1 may not reach the next whole number.
            rung = (longer as usize).max(rung + 1);
        }
        rung.min(most)
    }

    /// `None` for the seed, which has no rival.
    fn judge(&self, known: &[RowScore]) -> Option<RungVerdict> {
        let rivals = self.rivals.as_ref()?;
        let mut places = vec![0; self.order.len()];
        for (place, position) in self.order.iter().enumerate() {
            places[*position] = place;
        }
        let scored = known
            .iter()
            .filter_map(|one| Some((places[one.position], one.score?)));
        let mut field = (*rivals.members).clone();
        field.add(CHILD, rivals.ancestors.clone(), scored);
        field.fit();
        let child = field.estimate(CHILD)?;
        let leader = field.estimate(rivals.leader)?;
        let probability = child.beats(&leader);
        let goes_on = known.len() < self.most() && probability >= self.settings.alpha;
        Some(RungVerdict {
            child,
            against: rivals.leader,
            probability,
            goes_on,
        })
    }
}
