//! The trials of a run, and their rollouts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::TrialFinished;
use crate::ids::{Seq, Timestamp, TrialKey};
use crate::record::project::{Change, Misfit};
use crate::record::rows::{RolloutRow, TrialRow};

/// The trials of a run, and their rollouts. Rows of trials are shared, so that readers copy them
/// without holding a lock.
#[derive(Clone, Debug, Default)]
pub struct TrialTable {
    /// In the order started.
    rows: Vec<Arc<TrialRow>>,
    by_key: BTreeMap<TrialKey, usize>,
    /// Ascending by event.
    rollouts: Vec<RolloutRow>,
    /// The events of the rollouts that failed; only these can be tried again.
    failed: BTreeMap<(TrialKey, u32), Seq>,
}

impl TrialTable {
    /// Makes the change.
    ///
    /// # Errors
    ///
    /// The change fits no trial and no rollout, or the row to add exists already.
    pub fn change(&mut self, change: Change) -> Result<(), Misfit> {
        match change {
            Change::Trial(row) => self.start(*row),
            Change::TrialFinished(finished, at) => self.finish(&finished, at),
            Change::Rollout(row) => self.settle(*row),
            Change::RolloutAgain(row) => self.settle_again(*row),
            other => misfit(format!("no table takes {other:?}")),
        }
    }

    /// All trials, in the order started.
    pub fn rows(&self) -> &[Arc<TrialRow>] {
        &self.rows
    }

    /// All rollouts, ascending by event.
    pub fn rollouts(&self) -> &[RolloutRow] {
        &self.rollouts
    }

    fn start(&mut self, row: TrialRow) -> Result<(), Misfit> {
        let position = self.rows.len();
        if self.by_key.insert(row.key, position).is_some() {
            return misfit(format!("trial `{}` was started before", row.trial_id));
        }
        self.rows.push(Arc::new(row));
        Ok(())
    }

    fn finish(&mut self, finished: &TrialFinished, at: Timestamp) -> Result<(), Misfit> {
        let row = self.trial_mut(finished.trial)?;
        row.mean_score = finished.mean_score;
        row.scored = Some(finished.scored);
        row.failed = Some(finished.failed);
        row.finished_at = Some(at);
        Ok(())
    }

    fn settle(&mut self, row: RolloutRow) -> Result<(), Misfit> {
        let trial = self.trial_mut(row.key)?;
        trial.executed += 1;
        trial.usage += row.whole_usage();
        let place = (row.key, row.position);
        if row.failure.is_some() && self.failed.insert(place, row.seq).is_some() {
            return misfit(format!(
                "rollout {} of trial `{}` has failed before",
                row.position,
                row.trial_id()
            ));
        }
        self.rollouts.push(row);
        Ok(())
    }

    fn settle_again(&mut self, row: RolloutRow) -> Result<(), Misfit> {
        let trial = self.trial_mut(row.key)?;
        trial.usage += row.whole_usage();
        let Some(earlier) = self.failed.remove(&(row.key, row.position)) else {
            return misfit(format!(
                "rollout {} of trial `{}` has no failure to replace",
                row.position,
                row.trial_id()
            ));
        };
        if row.failure.is_some() {
            self.failed.insert((row.key, row.position), row.seq);
        }
        let position = self.rollouts.partition_point(|other| other.seq < earlier);
        let replaced = self.rollouts.remove(position);
        self.rollouts.push(row.after(replaced));
        Ok(())
    }

    fn trial_mut(&mut self, key: TrialKey) -> Result<&mut TrialRow, Misfit> {
        match self.by_key.get(&key) {
            Some(position) => Ok(Arc::make_mut(&mut self.rows[*position])),
            None => misfit(format!(
                "trial {} of iteration {} was never started",
                key.index, key.iteration
            )),
        }
    }
}

fn misfit<T>(detail: String) -> Result<T, Misfit> {
    Err(Misfit(detail))
}
