//! The artifacts of a job: each snapshot, and each member of the archive.

use std::collections::BTreeSet;

use gepa_archive::CandidateIndex;
use gepa_engine::SnapshotTag;
use serde_json::{Value, json};

use super::snapshot::{Snapshots, member_id};

/// One row for each snapshot, then one for each archive member without a snapshot.
pub fn artifacts(snapshots: &Snapshots) -> Vec<Value> {
    let run = &snapshots.run;
    let mut rows: Vec<Value> = Vec::new();
    let mut told: BTreeSet<CandidateIndex> = BTreeSet::new();
    for row in &snapshots.rows {
        told.insert(row.subject);
        let what = match row.tag {
            SnapshotTag::Seed => "seed",
            SnapshotTag::Best => "new best",
            SnapshotTag::Final => "best prompt",
            _ => "improvement",
        };
        rows.push(json!({
            "job_id": run.run_id,
            "snapshot_id": row.snapshot_id,
            "label": format!("{what} (candidate {}, score {:.4})", row.subject, row.score),
            "type": "prompt",
            "candidate": row.subject,
            "score": row.score,
            "token_count": row.token_count,
            "created_at": row.created_at.to_string(),
        }));
    }
    for candidate in &snapshots.candidates {
        let (Some(index), Some(score)) = (candidate.index, candidate.mean_score) else {
            continue;
        };
        if told.contains(&index) {
            continue;
        }
        rows.push(json!({
            "job_id": run.run_id,
            "snapshot_id": member_id(run, index),
            "label": format!("archive (candidate {index}, score {score:.4})"),
            "type": "prompt",
            "candidate": index,
            "score": score,
            "created_at": candidate.created_at.to_string(),
        }));
    }
    rows
}
