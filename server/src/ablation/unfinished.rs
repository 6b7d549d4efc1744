//! Ablations that another process began, or an earlier one did not finish: their runs say so.

use gepa_ablation::{TAG, note_of};
use gepa_engine::record::RunRow;
use gepa_engine::{RunId, Store, StoreError, Timestamp};
use serde_json::{Value, json};

/// Runs of one ablation that are looked at.
const MOST_RUNS: usize = 300;

/// The runs of ablations since the last one whose findings are in the journal.
pub(super) struct Unfinished {
    runs: Vec<RunId>,
    since: Option<Timestamp>,
}

impl Unfinished {
    pub(super) async fn of(store: &dyn Store, run: &RunRow) -> Result<Self, StoreError> {
        let acts = run.summary.acts.iter();
        let noted = acts.filter(|act| act.act == "ablation_noted");
        let noted = noted.map(|act| act.at).max().unwrap_or_default();
        let note = note_of(&run.run_id);
        let mut found = Self {
            runs: Vec::new(),
            since: None,
        };
        for (other, labels) in store.labels().await? {
            let at = labels.archived_at.unwrap_or_default();
            if labels.tags.contains(TAG) && labels.note == note && at > noted {
                found.since = Some(found.since.map_or(at, |since| since.min(at)));
                found.runs.push(other);
            }
        }
        Ok(found)
    }

    /// Whether a process works on one of them.
    pub(super) async fn is_worked_on(&self, store: &dyn Store) -> Result<bool, StoreError> {
        // Ids rise with time, and an ablation has one open run.
        for run in self.runs.iter().rev().take(2) {
            if store.is_claimed(run).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a client gets.
    pub(super) async fn described(&self, store: &dyn Store) -> Result<Value, StoreError> {
        if self.runs.is_empty() {
            return Ok(json!({"state": "none"}));
        }
        let is_worked_on = self.is_worked_on(store).await?;
        let mut executed = 0;
        for run in self.runs.iter().rev().take(MOST_RUNS) {
            executed += store.run(run).await?.summary.counters.total_rollouts;
        }
        Ok(json!({
            "state": if is_worked_on { "elsewhere" } else { "unfinished" },
            "executed": executed,
            "began_at": self.since.map(|since| since.to_string()),
        }))
    }
}
