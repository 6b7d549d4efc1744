//! The row of a candidate.

use gepa_archive::{Candidate, CandidateIndex, ContentId, Origin};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::column::{Cell, CellReader, Column, ColumnError, ColumnKind, columns};
use super::super::export::ExportColumn;
use super::run::RunRow;
use crate::event::{CandidateAccepted, CloseReason, RowExtended};
use crate::ids::{RunId, Seq, Timestamp};

/// A candidate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CandidateRow {
    /// The run.
    pub run_id: RunId,
    /// The iteration that proposed it; 0 for the seed.
    pub iteration: u64,
    /// Its content id.
    pub candidate_id: ContentId,
    /// Its index in the archive, once accepted.
    pub index: Option<CandidateIndex>,
    /// How the candidate was made.
    pub origin: Origin,
    /// Its parents in the archive.
    pub parents: Vec<CandidateIndex>,
    /// Its state.
    pub status: CandidateStatus,
    /// Why it was not accepted; `None` unless it was rejected.
    pub close_reason: Option<CloseReason>,
    /// The comparison at the gate.
    pub gate: Option<GateRow>,
    /// Mean over its pareto examples, where a failure of its own doing counts as the lowest score.
    pub mean_score: Option<f64>,
    /// Pareto scores in the order of the set.
    pub scores: Option<Vec<Option<f64>>>,
    /// Means of its further objectives.
    pub objectives: IndexMap<String, f64>,
    /// Mean over its validation examples, with failures counted alike.
    pub validation_score: Option<f64>,
    /// Validation scores in the order of the set.
    pub validation_scores: Option<Vec<Option<f64>>>,
    /// The event that accepted it.
    pub accepted_seq: Option<Seq>,
    /// The event that evicted it from a bounded archive.
    pub evicted_seq: Option<Seq>,
    /// When it was proposed.
    pub created_at: Timestamp,
    /// Its texts.
    pub components: Candidate,
}

impl CandidateRow {
    /// The most reliable score: the pareto mean, or else its mean at the gate.
    pub fn score(&self) -> Option<f64> {
        self.mean_score
            .or_else(|| self.gate.as_ref().and_then(GateRow::child_mean))
    }
}

/// The state of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CandidateStatus {
    /// Proposed, and not decided on yet.
    Proposed,
    /// A member of the archive.
    Accepted,
    /// Not accepted.
    Rejected,
    /// Accepted, and later evicted from a bounded archive.
    Evicted,
}

impl CandidateStatus {
    /// The name used in stores and exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Evicted => "evicted",
        }
    }
}

/// What the gate compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRow {
    /// Whether the child went on to the pareto set.
    pub passed: bool,
    /// Examples compared.
    pub compared: u32,
    /// Sum of the parent's scores on them.
    pub parent_sum: f64,
    /// Sum of the child's scores on them.
    pub child_sum: f64,
}

impl GateRow {
    /// The child's mean score on the compared examples.
    pub fn child_mean(&self) -> Option<f64> {
        (self.compared > 0).then(|| self.child_sum / f64::from(self.compared))
    }
}

columns! {
    CandidateRow in "candidates" {
        run_id: ["run_id"];
        iteration: ["iteration"];
        candidate_id: ["candidate_id"];
        index: ["archive_index"];
        origin: ["origin"];
        parents: ["parents"];
        status: ["status"];
        close_reason: ["close_reason"];
        gate: ["gate_passed", "gate_compared", "gate_parent_sum", "gate_child_sum"];
        mean_score: ["mean_score"];
        scores: ["scores"];
        objectives: ["objectives"];
        validation_score: ["validation_score"];
        validation_scores: ["validation_scores"];
        accepted_seq: ["accepted_seq"];
        evicted_seq: ["evicted_seq"];
        created_at: ["created_at"];
        // The texts come last, because a store may keep them in a table of their own.
        components: ["components"];
    }
}

impl Column for GateRow {
    const KINDS: &'static [ColumnKind] = &[
        ColumnKind::Integer,
        ColumnKind::Integer,
        ColumnKind::Real,
        ColumnKind::Real,
    ];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        self.passed.write(cells);
        self.compared.write(cells);
        self.parent_sum.write(cells);
        self.child_sum.write(cells);
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        Ok(Self {
            passed: Column::read(cells)?,
            compared: Column::read(cells)?,
            parent_sum: Column::read(cells)?,
            child_sum: Column::read(cells)?,
        })
    }
}

impl CandidateRow {
    /// The row of a candidate that was just proposed.
    pub(in super::super) fn proposed(
        run_id: RunId,
        iteration: u64,
        candidate: &Candidate,
        origin: Origin,
        parents: Vec<CandidateIndex>,
        at: Timestamp,
    ) -> Self {
        Self {
            run_id,
            iteration,
            candidate_id: candidate.content_id(),
            index: None,
            origin,
            parents,
            status: CandidateStatus::Proposed,
            close_reason: None,
            gate: None,
            mean_score: None,
            scores: None,
            objectives: IndexMap::new(),
            validation_score: None,
            validation_scores: None,
            accepted_seq: None,
            evicted_seq: None,
            created_at: at,
            components: candidate.clone(),
        }
    }

    /// The candidate enters the archive by the event `seq`, with these scores.
    pub(in super::super) fn accept(&mut self, accepted: CandidateAccepted, seq: Seq) {
        self.index = Some(accepted.index);
        self.mean_score = Some(accepted.mean_score);
        self.scores = Some(accepted.scores);
        self.objectives = accepted.objectives;
        self.accepted_seq = Some(seq);
    }

    /// Makes the row of pareto scores longer. `false`, and no change, if it has no such positions.
    pub(in super::super) fn extend(&mut self, extended: RowExtended) -> bool {
        let scores = self.scores.as_mut();
        let Some(scores) = scores.filter(|scores| extended.fits(scores)) else {
            return false;
        };
        extended.add_to(scores);
        self.mean_score = Some(extended.mean_score);
        self.objectives = extended.objectives;
        true
    }
}

/// The columns of an exported candidate, its texts last.
pub const CANDIDATE_EXPORT: &[ExportColumn<RunRow, CandidateRow>] = &[
    ("run_id", |_, row| json!(row.run_id)),
    ("candidate_id", |_, row| json!(row.candidate_id)),
    ("index", |_, row| json!(row.index)),
    ("iteration", |_, row| json!(row.iteration)),
    ("origin", |_, row| json!(row.origin)),
    ("parents", |_, row| json!(row.parents)),
    ("status", |_, row| json!(row.status)),
    ("close_reason", |_, row| json!(row.close_reason)),
    // The pareto mean only; a mean over a minibatch of other examples has a column of its own.
    ("score", |_, row| json!(row.mean_score)),
    ("minibatch_score", |_, row| {
        json!(row.gate.as_ref().and_then(GateRow::child_mean))
    }),
    ("mean_score", |_, row| json!(row.mean_score)),
    ("validation_score", |_, row| json!(row.validation_score)),
    ("gate", |_, row| json!(row.gate)),
    ("scores", |_, row| json!(row.scores)),
    ("objectives", |_, row| json!(row.objectives)),
    ("validation_scores", |_, row| json!(row.validation_scores)),
    ("created_at", |_, row| json!(row.created_at.to_string())),
    ("components", |_, row| components(row)),
    ("messages", messages),
];

/// A candidate's texts by component.
pub fn components(row: &CandidateRow) -> Value {
    let texts = row.components.components().iter();
    let map: Map<String, Value> = texts
        .map(|(name, text)| (name.to_string(), json!(&**text)))
        .collect();
    Value::Object(map)
}

/// A candidate's messages, wildcards left as `{name}`.
pub fn messages(run: &RunRow, row: &CandidateRow) -> Value {
    let sections = run.template.sections(&row.components);
    let list: Vec<Value> = sections
        .into_iter()
        .map(|section| json!({"role": section.role, "content": section.content}))
        .collect();
    Value::Array(list)
}
