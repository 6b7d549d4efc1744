//! Complete snapshots and archive members, as job clients read them.

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, RunRow, ScoreHistory, SnapshotRow, token_estimate};
use gepa_engine::{SnapshotTag, Store, StoreError};
use serde_json::{Value, json};

use crate::snapshot::{SnapshotView, render_snapshot};

/// Clients' name for the snapshot of the final best candidate.
const BEST: &str = "best_prompt";

/// A run with the rows that its snapshots are rendered from.
#[derive(Debug)]
pub struct Snapshots {
    /// The run.
    pub run: RunRow,
    /// All its candidates.
    pub candidates: Vec<CandidateRow>,
    /// All its snapshots.
    pub rows: Vec<SnapshotRow>,
    /// The scores that the candidates had when the snapshots were taken.
    history: ScoreHistory,
}

/// Reads the rows that a run's snapshots are rendered from.
pub async fn snapshots(store: &dyn Store, run: RunRow) -> Result<Snapshots, StoreError> {
    snapshots_since(store, run, &mut ScoreHistory::default()).await
}

/// Reads the rows that a run's snapshots are rendered from. Of the journal only those entries are
/// read that the history of this run does not have yet, and it is brought up to date.
pub async fn snapshots_since(
    store: &dyn Store,
    run: RunRow,
    history: &mut ScoreHistory,
) -> Result<Snapshots, StoreError> {
    let rows = store.snapshots(&run.run_id).await?;
    let candidates = store.candidates(&run.run_id).await?;
    // The journal comes last, so it has the scores of every snapshot.
    history.catch_up(store, &run, &candidates).await?;
    Ok(Snapshots {
        run,
        candidates,
        rows,
        history: history.clone(),
    })
}

impl Snapshots {
    /// The last snapshot of the run's best candidate.
    pub fn best(&self) -> Option<&SnapshotRow> {
        let best = self.run.summary.best?;
        self.rows.iter().rev().find(|row| row.subject == best)
    }

    /// A complete snapshot. `None` if a candidate that it names is missing.
    pub fn view(&self, row: &SnapshotRow) -> Option<SnapshotView> {
        render_snapshot(&self.run, row, &self.candidates, &self.history)
    }

    /// A snapshot as clients read it.
    pub fn render(&self, row: &SnapshotRow) -> Option<Value> {
        let mut view = json!(self.view(row)?);
        let fields = view.as_object_mut()?;
        fields.insert("id".to_owned(), json!(row.snapshot_id));
        if row.tag == SnapshotTag::Final {
            // The last snapshot is that of the best candidate; clients look for this tag.
            fields.insert("tag".to_owned(), json!(BEST));
        }
        Some(view)
    }

    /// All snapshots as clients read them.
    pub fn render_all(&self) -> Vec<Value> {
        self.rows
            .iter()
            .filter_map(|row| self.render(row))
            .collect()
    }

    /// A member of the archive in the shape of a snapshot, with an id of its own. It does not
    /// repeat the archive, and it has the member's present scores.
    pub fn render_member(&self, index: CandidateIndex) -> Option<Value> {
        let row = self.member(index)?;
        let entered = row.accepted_seq?;
        // Takes the counters of the last improvement before the member entered.
        let before = self.rows.iter().rev().find(|known| known.seq <= entered);
        let sections = self.run.template.sections(&row.components);
        let about = SnapshotRow {
            snapshot_id: member_id(&self.run, index),
            tag: SnapshotTag::Improvement,
            subject: index,
            best: index,
            score: row.mean_score?,
            token_count: token_estimate(&sections),
            seq: entered,
            created_at: row.created_at,
            ..before?.clone()
        };
        let only: Vec<CandidateRow> = vec![row.clone()];
        let present = ScoreHistory::default();
        let mut view = json!(render_snapshot(&self.run, &about, &only, &present)?);
        let fields = view.as_object_mut()?;
        fields.insert("id".to_owned(), json!(about.snapshot_id));
        fields.insert("tag".to_owned(), json!("archive"));
        Some(view)
    }

    /// A member of the archive, also one that has been evicted.
    pub fn member(&self, index: CandidateIndex) -> Option<&CandidateRow> {
        let mut candidates = self.candidates.iter();
        candidates.find(|row| row.index == Some(index))
    }
}

/// The id of an archive member that is shown as a snapshot.
pub(super) fn member_id(run: &RunRow, index: CandidateIndex) -> String {
    format!("{}-c{index}", run.run_id)
}

/// The snapshot or archive member of a run with this id.
pub fn find_snapshot(snapshots: &Snapshots, id: &str) -> Option<Value> {
    if let Some(row) = snapshots.rows.iter().find(|row| row.snapshot_id == id) {
        return snapshots.render(row);
    }
    let run = snapshots.run.run_id.as_str();
    let index = id.strip_prefix(run)?.strip_prefix("-c")?.parse().ok()?;
    snapshots.render_member(CandidateIndex(index))
}

/// The best snapshot and its id.
pub fn best_snapshot(snapshots: &Snapshots) -> Option<(String, Value)> {
    let row = snapshots.best()?;
    Some((row.snapshot_id.clone(), snapshots.render(row)?))
}
