//! Changes of members after their insertion: rows that grow, and estimates to rank by.
//!
//! Rows of different length are not comparable by their means. The caller therefore computes an
//! estimate for each candidate from all rows and ranks by it. Every new outcome may change every
//! estimate, and with them the order in which redundant candidates are removed. So each revision
//! rebuilds the fronts from the values of the live candidates. Its cost is the number of values of
//! the live candidates; [`ArchiveSettings::max_size`](crate::ArchiveSettings::max_size) bounds it.

use std::sync::Arc;

use crate::fronts::Entered;
use crate::{Archive, ArchiveError, Candidate, CandidateIndex, Insertion, Origin, ScoreRow};

/// The effects of a revision: an extended row, or a removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Whether the set of survivors differs from the one before.
    pub front_changed: bool,
    /// Whether [`Archive::best`] differs from the one before.
    pub best_changed: bool,
}

impl Archive {
    /// Adds a candidate with its scores, and ranks all candidates by new estimates. `estimates`
    /// names live candidates and the new one; the others keep the estimates they have.
    ///
    /// The archive must be [revisable](crate::ArchiveSettings::revisable).
    ///
    /// # Errors
    /// A parent is not in the archive. The archive is then unchanged.
    pub fn insert_ranked(
        &mut self,
        candidate: Arc<Candidate>,
        parents: Vec<CandidateIndex>,
        origin: Origin,
        row: &ScoreRow,
        estimates: &[(CandidateIndex, f64)],
    ) -> Result<Insertion, ArchiveError> {
        let before = Standing::of(self);
        let (index, admitted) = self.append(candidate, parents, origin, row)?;
        let Entered { joined, won } = if admitted {
            self.enter(index, row)
        } else {
            self.fronts.add_outsider(row.mean());
            self.rows.push(None);
            self.values.push(None);
            Entered::default()
        };
        self.rank_by(estimates);
        let mut evicted = self.evict_surplus(index);
        if !admitted {
            evicted.push(index);
        }
        let mut displaced = before.survivors.clone();
        displaced.retain(|&candidate| !self.survives(candidate));
        Ok(Insertion {
            index,
            front_changed: before.survivors != self.front().ids(),
            best_changed: before.best != self.best(),
            joined,
            won,
            displaced,
            evicted,
        })
    }

    /// Replaces the row of a live candidate by a longer one, and ranks all candidates by new
    /// estimates. `row` holds the scores known so far and the new ones.
    ///
    /// The archive must be [revisable](crate::ArchiveSettings::revisable).
    ///
    /// # Errors
    /// The candidate is not live. The archive is then unchanged.
    pub fn extend(
        &mut self,
        candidate: CandidateIndex,
        row: &ScoreRow,
        estimates: &[(CandidateIndex, f64)],
    ) -> Result<Extension, ArchiveError> {
        let position = candidate.position();
        if self.get(candidate).is_none_or(|entry| entry.evicted) {
            return Err(ArchiveError::NotLive(candidate));
        }
        let before = Standing::of(self);
        let placed = self.layout.place(row);
        let layout = &self.layout;
        self.fronts
            .grow(layout.front_count(), |slot| layout.is_late(slot));
        self.rows[position] = Some(placed.scores);
        self.values[position] = Some(placed.values);
        let entry = &mut self.entries[position];
        entry.mean = row.mean();
        entry.scored = row.scored() as u32;
        entry.objective_means.clone_from(row.objective_means());
        self.rank_by(estimates);
        Ok(before.extension(self))
    }

    fn enter(&mut self, index: CandidateIndex, row: &ScoreRow) -> Entered {
        let placed = self.layout.place(row);
        let layout = &self.layout;
        self.fronts
            .grow(layout.front_count(), |slot| layout.is_late(slot));
        let entered = self.fronts.add(row.mean(), &placed.values);
        self.rows.push(Some(placed.scores));
        self.values.push(Some(placed.values));
        self.ranking.insert(row.mean(), index);
        self.live.push(index);
        entered
    }

    /// Gives live candidates other estimates and rebuilds the fronts.
    pub(crate) fn rank_by(&mut self, estimates: &[(CandidateIndex, f64)]) {
        for &(candidate, estimate) in estimates {
            let entry = &mut self.entries[candidate.position()];
            if !entry.evicted {
                self.ranking.remove(entry.estimate, candidate);
                self.ranking.insert(estimate, candidate);
                self.fronts.set_mean(candidate.0, estimate);
            }
            entry.estimate = estimate;
        }
        let values = &self.values;
        let members = self.live.iter().filter_map(|candidate| {
            let row = values[candidate.position()].as_deref();
            row.map(|row| (candidate.0, row))
        });
        self.fronts.rebuild(members);
        self.fronts.settle();
    }
}

/// What an archive looked like before a revision.
pub(crate) struct Standing {
    survivors: Vec<CandidateIndex>,
    best: Option<CandidateIndex>,
}

impl Standing {
    pub(crate) fn of(archive: &Archive) -> Self {
        Self {
            survivors: archive.front().ids(),
            best: archive.best(),
        }
    }

    /// What has changed since.
    pub(crate) fn extension(&self, archive: &Archive) -> Extension {
        Extension {
            front_changed: self.survivors != archive.front().ids(),
            best_changed: self.best != archive.best(),
        }
    }
}
