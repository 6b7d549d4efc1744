//! The row of a trial.

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Phase, Stage, Usage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::column::columns;
use super::super::export::ExportColumn;
use crate::event::TrialStarted;
use crate::ids::{RunId, Timestamp, TrialKey};

/// A trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialRow {
    /// The run.
    pub run_id: RunId,
    /// The trial's id.
    pub trial_id: String,
    /// Iteration and index.
    pub key: TrialKey,
    /// The candidate that is evaluated.
    pub candidate_id: ContentId,
    /// The phase.
    pub phase: Phase,
    /// The stage.
    pub stage: Stage,
    /// The examples, in order.
    pub examples: Vec<ExampleId>,
    /// The number of outcomes reused from earlier trials. An outcome that is neither reused nor executed was
    /// bought by another trial at the same time.
    pub reused: u32,
    /// The number of rollouts with a score; known once the trial is finished.
    pub scored: Option<u32>,
    /// The number of rollouts without a score; known once the trial is finished.
    pub failed: Option<u32>,
    /// The mean score; known once the trial is finished.
    pub mean_score: Option<f64>,
    /// Rollouts executed so far.
    pub executed: u64,
    /// Usage of policy and judge over the executed rollouts so far.
    pub usage: Usage,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
}

columns! {
    TrialRow in "trials" {
        run_id: ["run_id"];
        key: ["iteration", "trial_index"];
        trial_id = { TrialKey::id(key, &run_id) };
        candidate_id: ["candidate_id"];
        phase: ["phase"];
        stage: ["stage"];
        examples: ["seeds"];
        reused: ["reused"];
        scored: ["scored"];
        failed: ["failed"];
        mean_score: ["mean_score"];
        executed: ["executed"];
        usage: [
            "calls", "prompt_tokens", "completion_tokens",
            "cached_tokens", "unknown_tokens", "cost_micro_usd", "unpriced_calls"
        ];
        started_at: ["started_at"];
        finished_at: ["finished_at"];
    }
}

impl TrialRow {
    /// The row of a trial that was just started.
    pub(in super::super) fn started(run_id: RunId, started: &TrialStarted, at: Timestamp) -> Self {
        Self {
            trial_id: started.trial.id(&run_id),
            run_id,
            key: started.trial,
            candidate_id: started.candidate,
            phase: started.stage.phase(),
            stage: started.stage,
            examples: started.examples.clone(),
            reused: started.reused,
            scored: None,
            failed: None,
            mean_score: None,
            executed: 0,
            usage: Usage::default(),
            started_at: at,
            finished_at: None,
        }
    }
}

/// The columns of an exported trial. Tokens and cost are sums over its executed rollouts; a cost is null if none is
/// known. A trial is `unfinished` while its rollouts run, and for ever if a limit ended the run before.
pub const TRIAL_EXPORT: &[ExportColumn<(), TrialRow>] = &[
    ("run_id", |(), row| json!(row.run_id)),
    ("trial_id", |(), row| json!(row.trial_id)),
    ("candidate_id", |(), row| json!(row.candidate_id)),
    ("phase", |(), row| json!(row.phase)),
    ("stage", |(), row| json!(row.stage)),
    ("status", |(), row| {
        json!(row.finished_at.map_or("unfinished", |_| "finished"))
    }),
    ("iteration", |(), row| json!(row.key.iteration)),
    ("trial_index", |(), row| json!(row.key.index)),
    ("seeds", |(), row| json!(row.examples)),
    ("executed", |(), row| json!(row.executed)),
    ("reused", |(), row| json!(row.reused)),
    ("scored", |(), row| json!(row.scored)),
    ("failed", |(), row| json!(row.failed)),
    ("mean_score", |(), row| json!(row.mean_score)),
    ("prompt_tokens", |(), row| json!(row.usage.prompt_tokens)),
    ("completion_tokens", |(), row| {
        json!(row.usage.completion_tokens)
    }),
    ("unknown_tokens", |(), row| json!(row.usage.unknown_tokens)),
    ("tokens", |(), row| json!(row.usage.total_tokens())),
    ("cost_usd", |(), row| json!(row.usage.known_dollars())),
    ("started_at", |(), row| json!(row.started_at.to_string())),
    ("finished_at", |(), row| {
        json!(row.finished_at.map(|at| at.to_string()))
    }),
];
