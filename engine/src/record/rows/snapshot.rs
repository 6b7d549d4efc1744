//! The row of a snapshot.

use gepa_archive::CandidateIndex;
use serde::{Deserialize, Serialize};

use super::super::column::columns;
use super::run::RunSummary;
use crate::counters::Counters;
use crate::event::{SnapshotTag, SnapshotTaken, ValidationResult};
use crate::ids::{RunId, Seq, Timestamp, snapshot_id};

/// A stored snapshot. Texts and scores are looked up when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// The snapshot.
    pub snapshot_id: String,
    /// The run.
    pub run_id: RunId,
    /// Its number within the run, from 1.
    pub ordinal: u64,
    /// Why it was taken.
    pub tag: SnapshotTag,
    /// The best candidate at the time.
    pub best: CandidateIndex,
    /// The candidate that the snapshot shows.
    pub subject: CandidateIndex,
    /// The subject's mean pareto score.
    pub score: f64,
    /// Estimated tokens of the subject's messages.
    pub token_count: u64,
    /// When it was taken.
    pub created_at: Timestamp,
    /// The event.
    pub seq: Seq,
    /// All counters at the time.
    pub counters: Counters,
    /// Validation results at the time, baseline first.
    pub validation: Vec<ValidationResult>,
}

columns! {
    SnapshotRow in "snapshots" {
        run_id: ["run_id"];
        snapshot_id: ["snapshot_id"];
        ordinal: ["ordinal"];
        tag: ["tag"];
        best: ["best"];
        subject: ["subject"];
        score: ["score"];
        token_count: ["token_count"];
        created_at: ["created_at"];
        seq: ["seq"];
        counters: ["counters"];
        validation: ["validation"];
    }
}

impl SnapshotRow {
    /// The row of a snapshot that was just taken; `summary` is the run's after this event.
    pub(in super::super) fn taken(
        run_id: RunId,
        taken: &SnapshotTaken,
        summary: &RunSummary,
        at: Timestamp,
    ) -> Self {
        Self {
            snapshot_id: snapshot_id(&run_id, taken.ordinal),
            run_id,
            ordinal: taken.ordinal,
            tag: taken.tag,
            best: taken.best,
            subject: taken.subject,
            score: taken.score.unwrap_or_default(),
            token_count: taken.token_count.unwrap_or_default(),
            created_at: at,
            seq: summary.seq,
            counters: summary.counters.clone(),
            validation: summary.validation.clone(),
        }
    }
}
