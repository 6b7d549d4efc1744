//! A job's snapshots in order, reduced to the data of its result files.

use gepa_archive::CandidateIndex;
use gepa_engine::ValidationResult;
use gepa_evaluation::{Message, Section};

use crate::snapshot::{SnapshotPayload, SnapshotView};

/// A job's snapshots.
#[derive(Debug, Default)]
pub struct History {
    pub(super) points: Vec<Point>,
    /// The last snapshot, complete.
    pub(super) last: Option<SnapshotView>,
    /// Validation results of the last snapshot that has any: baseline first.
    pub(super) validation: Vec<Validated>,
}

/// One snapshot.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) tag: String,
    /// The mean pareto score of its candidate.
    pub(super) score: f64,
    pub(super) rollouts: u64,
    pub(super) tokens: u64,
    pub(super) trials: u64,
    pub(super) iterations: u64,
    /// The candidate's prompt, complete.
    pub(super) sections: Vec<Section>,
}

/// One candidate's validation score.
#[derive(Clone, Debug)]
pub(super) struct Validated {
    /// Absent for the baseline.
    pub(super) rank: Option<u64>,
    pub(super) score: Option<f64>,
    pub(super) examples: usize,
    pub(super) sections: Vec<Section>,
}

impl History {
    /// Adds the next snapshot.
    pub fn add(&mut self, snapshot: SnapshotView) {
        let payload = &snapshot.payload;
        let counters = &payload.counters;
        self.points.push(Point {
            tag: snapshot.tag.to_string(),
            score: snapshot.score,
            rollouts: counters.total_rollouts,
            tokens: counters.total_tokens,
            trials: counters.trials_tried,
            iterations: counters.iterations,
            sections: sections(payload, &snapshot.messages),
        });
        if !payload.validation.is_empty() {
            self.validation = payload
                .validation
                .iter()
                .map(|result| validated(payload, result))
                .collect();
        }
        self.last = Some(snapshot);
    }
}

fn validated(payload: &SnapshotPayload, result: &ValidationResult) -> Validated {
    Validated {
        rank: result.rank.map(u64::from),
        score: result.mean_score,
        examples: result.scores.len(),
        sections: messages_of(payload, result.candidate)
            .map(|messages| sections(payload, messages))
            .unwrap_or_default(),
    }
}

fn messages_of(payload: &SnapshotPayload, index: CandidateIndex) -> Option<&[Message]> {
    let item = payload.archive.iter().find(|item| item.index == index)?;
    Some(&item.messages)
}

/// The sections of the prompt with these messages. If the archive still holds the candidate, they
/// are named after its components, otherwise after their roles.
fn sections(payload: &SnapshotPayload, messages: &[Message]) -> Vec<Section> {
    let item = payload
        .archive
        .iter()
        .find(|item| item.messages == messages);
    let named = item.map(|item| item.object.data.sections.clone());
    named.unwrap_or_else(|| messages.iter().enumerate().map(of_message).collect())
}

fn of_message((order, message): (usize, &Message)) -> Section {
    Section {
        name: message.role.clone(),
        role: message.role.clone(),
        content: message.content.clone(),
        order,
    }
}
