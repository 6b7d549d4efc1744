//! The candidates of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_archive::CandidateIndex;

use crate::event::{CandidateAccepted, RowExtended, ValidationResult};
use crate::ids::Seq;
use crate::record::project::{Change, Misfit};
use crate::record::rows::{CandidateRow, CandidateStatus};

/// The candidates of a run. Rows are shared, so that readers copy them without holding a lock.
#[derive(Clone, Debug, Default)]
pub struct CandidateTable {
    /// In the order proposed.
    rows: Vec<Arc<CandidateRow>>,
    by_iteration: BTreeMap<u64, usize>,
    members: BTreeMap<CandidateIndex, usize>,
}

impl CandidateTable {
    /// Makes the change, or returns it if it does not concern a candidate.
    ///
    /// # Errors
    ///
    /// The change fits no candidate, or the iteration has a candidate already.
    pub fn change(&mut self, change: Change) -> Result<Option<Change>, Misfit> {
        match change {
            Change::Candidate(row) => self.propose(*row)?,
            Change::Gate(iteration, gate) => self.of_iteration_mut(iteration)?.gate = Some(gate),
            Change::Accepted(accepted, seq) => self.accept(*accepted, seq)?,
            Change::Extended(extended) => self.extend(*extended)?,
            Change::Mean(mean) => self.member_mut(mean.candidate)?.mean_score = mean.mean_score,
            Change::Evicted(index, seq) => {
                let row = self.member_mut(index)?;
                row.status = CandidateStatus::Evicted;
                row.evicted_seq = Some(seq);
            }
            Change::Closed(iteration, reason) => {
                // An iteration may end before it has a candidate.
                if let Ok(row) = self.of_iteration_mut(iteration) {
                    row.status = CandidateStatus::Rejected;
                    row.close_reason = Some(reason);
                }
            }
            Change::Validated(ValidationResult {
                candidate,
                mean_score,
                scores,
                ..
            }) => {
                let row = self.member_mut(candidate)?;
                row.validation_score = mean_score;
                row.validation_scores = Some(scores);
            }
            other => return Ok(Some(other)),
        }
        Ok(None)
    }

    /// All candidates, in the order proposed.
    pub fn rows(&self) -> &[Arc<CandidateRow>] {
        &self.rows
    }

    /// All candidates, ascending by iteration: an order that does not depend on timing.
    pub fn by_iteration(&self) -> impl Iterator<Item = &CandidateRow> {
        let positions = self.by_iteration.values();
        positions.map(|position| &*self.rows[*position])
    }

    /// An iteration's candidate.
    pub fn of_iteration(&self, iteration: u64) -> Option<&CandidateRow> {
        let position = self.by_iteration.get(&iteration)?;
        Some(&self.rows[*position])
    }

    /// An accepted candidate, even if it was evicted later.
    pub fn member(&self, index: CandidateIndex) -> Option<&CandidateRow> {
        let position = self.members.get(&index)?;
        Some(&self.rows[*position])
    }

    fn propose(&mut self, row: CandidateRow) -> Result<(), Misfit> {
        let position = self.rows.len();
        let earlier = self.by_iteration.insert(row.iteration, position);
        if earlier.is_some() {
            let iteration = row.iteration;
            return misfit(format!("iteration {iteration} has a candidate already"));
        }
        self.rows.push(Arc::new(row));
        Ok(())
    }

    fn accept(&mut self, accepted: CandidateAccepted, seq: Seq) -> Result<(), Misfit> {
        let iteration = accepted.iteration;
        if self.members.contains_key(&accepted.index) {
            return misfit(format!("candidate {} was accepted before", accepted.index));
        }
        let row = self.of_iteration_mut(iteration)?;
        if row.index.is_some() {
            return misfit(format!(
                "iteration {iteration} has no candidate that could be accepted"
            ));
        }
        let index = accepted.index;
        row.status = CandidateStatus::Accepted;
        row.accept(accepted, seq);
        let position = self.by_iteration[&iteration];
        self.members.insert(index, position);
        Ok(())
    }

    fn extend(&mut self, extended: RowExtended) -> Result<(), Misfit> {
        let index = extended.candidate;
        if !self.member_mut(index)?.extend(extended) {
            return misfit(format!(
                "the row of candidate {index} has no such positions"
            ));
        }
        Ok(())
    }

    fn of_iteration_mut(&mut self, iteration: u64) -> Result<&mut CandidateRow, Misfit> {
        match self.by_iteration.get(&iteration) {
            Some(position) => Ok(Arc::make_mut(&mut self.rows[*position])),
            None => misfit(format!("iteration {iteration} has no candidate")),
        }
    }

    fn member_mut(&mut self, index: CandidateIndex) -> Result<&mut CandidateRow, Misfit> {
        match self.members.get(&index) {
            Some(position) => Ok(Arc::make_mut(&mut self.rows[*position])),
            None => misfit(format!("candidate {index} was never accepted")),
        }
    }
}

fn misfit<T>(detail: String) -> Result<T, Misfit> {
    Err(Misfit(detail))
}
