//! The orders in which the candidates of a run are listed.

use std::cmp::Ordering;

use super::rows::{CandidateRow, CandidateStatus, RunRow};
use super::tables::ScoreHistory;
use crate::store::{Store, StoreError};

/// An order of candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CandidateOrder {
    /// By iteration. Several proposals run at once, so candidates do not arrive in this order.
    #[default]
    Iteration,
    /// The run's best candidate, then the other members of the archive, then those that left it,
    /// each group from the best to the worst; candidates not decided on; rejected ones.
    Score,
}

impl CandidateOrder {
    /// The candidates of a run in this order. Where rows grow, the history of this run is brought up to
    /// date, because means over rows of different length are not comparable.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn read(
        self,
        store: &dyn Store,
        run: &RunRow,
        history: &mut ScoreHistory,
    ) -> Result<Vec<CandidateRow>, StoreError> {
        let mut rows = store.candidates(&run.run_id).await?;
        rows.sort_by_key(|row| row.iteration);
        if self == Self::Score {
            history.catch_up(store, run, &rows).await?;
            rows.sort_by(|left, right| by_score(run, history, left, right));
        }
        Ok(rows)
    }
}

fn by_score(
    run: &RunRow,
    history: &ScoreHistory,
    left: &CandidateRow,
    right: &CandidateRow,
) -> Ordering {
    let place = |row: &CandidateRow| match row.status {
        _ if row.index.is_some() && row.index == run.summary.best => 0,
        CandidateStatus::Accepted => 1,
        CandidateStatus::Evicted => 2,
        CandidateStatus::Proposed => 3,
        CandidateStatus::Rejected => 4,
    };
    // A mean over a minibatch says nothing beside one over the pareto set.
    let level = |row: &CandidateRow| {
        let estimate = row.index.and_then(|index| history.estimate(index));
        estimate.map(|one| one.mean).or(row.mean_score)
    };
    let level = |row: &CandidateRow| level(row).unwrap_or(f64::NEG_INFINITY);
    place(left)
        .cmp(&place(right))
        .then_with(|| level(right).total_cmp(&level(left)))
        .then_with(|| left.index.cmp(&right.index))
}
