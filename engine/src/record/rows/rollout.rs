//! The row of a rollout.

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, FailureKind, MicroUsd, Outcome, Phase, Stage, Usage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::column::{
    Cell, CellReader, Column, ColumnError, ColumnKind, columns, usage_cells,
};
use super::super::export::ExportColumn;
use crate::event::RolloutSettled;
use crate::ids::{RunId, Seq, Timestamp, TrialKey};

/// One executed rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutRow {
    /// The run.
    pub run_id: RunId,
    /// The trial.
    pub key: TrialKey,
    /// The place of the example in the trial.
    pub position: u32,
    /// The candidate that was evaluated.
    pub candidate_id: ContentId,
    /// The phase.
    pub phase: Phase,
    /// The stage of the trial.
    pub stage: Stage,
    /// The example.
    pub example: ExampleId,
    /// The number of attempts made.
    pub attempts: u32,
    /// The score; `None` for a failure.
    pub score: Option<f64>,
    /// The kind of failure.
    pub failure: Option<FailureKind>,
    /// The message of the failure.
    pub error: Option<String>,
    /// Usage of the policy.
    pub usage: Usage,
    /// Usage of the judge.
    pub judge_usage: Usage,
    /// When the first attempt began.
    pub started_at: Timestamp,
    /// When the last attempt ended.
    pub finished_at: Timestamp,
    /// The event that holds output, feedback and trace.
    pub seq: Seq,
}

impl RolloutRow {
    /// The trial's id.
    pub fn trial_id(&self) -> String {
        self.key.id(&self.run_id)
    }

    /// `scored`, or the kind of failure.
    pub fn outcome(&self) -> &'static str {
        self.failure.map_or("scored", FailureKind::as_str)
    }
}

columns! {
    RolloutRow in "rollouts" {
        run_id: ["run_id"];
        seq: ["seq"];
        key: ["iteration", "trial_index"];
        position: ["position"];
        candidate_id: ["candidate_id"];
        phase: ["phase"];
        stage: ["stage"];
        example: ["seed"];
        attempts: ["attempts"];
        failure: ["outcome"] of OutcomeWord write outcome_cell, read |word: OutcomeWord| word.0;
        score: ["score"];
        error: ["error"];
        started_at: ["started_at"];
        finished_at: ["finished_at"];
        judge_usage: [
            "judge_calls", "judge_prompt_tokens", "judge_completion_tokens",
            "judge_cached_tokens", "judge_unknown_tokens", "judge_cost_micro_usd", "judge_unpriced_calls"
        ];
        // Stored together with the judge's usage, so that the columns add up to the counters.
        usage: [
            "calls", "prompt_tokens", "completion_tokens",
            "cached_tokens", "unknown_tokens", "cost_micro_usd", "unpriced_calls"
        ] of Usage write whole_usage_cells, read |whole| without(whole, judge_usage);
    }
}

fn outcome_cell(row: &RolloutRow) -> [Cell<'static>; 1] {
    [Cell::text(row.outcome())]
}

fn whole_usage_cells(row: &RolloutRow) -> [Cell<'static>; 7] {
    usage_cells(row.whole_usage())
}

fn without(whole: Usage, share: Usage) -> Usage {
    Usage {
        calls: whole.calls.saturating_sub(share.calls),
        prompt_tokens: whole.prompt_tokens.saturating_sub(share.prompt_tokens),
        completion_tokens: whole
            .completion_tokens
            .saturating_sub(share.completion_tokens),
        cached_tokens: whole.cached_tokens.saturating_sub(share.cached_tokens),
        unknown_tokens: whole.unknown_tokens.saturating_sub(share.unknown_tokens),
        cost: MicroUsd(whole.cost.0.saturating_sub(share.cost.0)),
        unpriced_calls: whole.unpriced_calls.saturating_sub(share.unpriced_calls),
    }
}

impl RolloutRow {
    /// The row of a rollout that was just settled by the event `seq`.
    pub(in super::super) fn settled(run_id: RunId, settled: &RolloutSettled, seq: Seq) -> Self {
        let (score, failure, error) = match &*settled.outcome {
            Outcome::Scored(scored) => (Some(scored.score), None, None),
            Outcome::Failed(failure) => (None, Some(failure.kind), Some(failure.message.clone())),
        };
        Self {
            run_id,
            key: settled.trial,
            position: settled.position,
            candidate_id: settled.candidate,
            phase: settled.stage.phase(),
            stage: settled.stage,
            example: settled.example.clone(),
            attempts: settled.attempts,
            score,
            failure,
            error,
            usage: settled.usage,
            judge_usage: settled.judge_usage,
            started_at: settled.started_at,
            finished_at: settled.finished_at,
            seq,
        }
    }

    /// The row of a rollout that failed as in `earlier` and was tried again. Outcome, end and event
    /// come from this row; attempts and usage are the sums of both.
    #[must_use]
    pub fn after(self, earlier: Self) -> Self {
        Self {
            attempts: earlier.attempts.saturating_add(self.attempts),
            usage: earlier.usage + self.usage,
            judge_usage: earlier.judge_usage + self.judge_usage,
            score: self.score,
            failure: self.failure,
            error: self.error,
            finished_at: self.finished_at,
            seq: self.seq,
            ..earlier
        }
    }

    /// Usage of policy and judge together.
    pub fn whole_usage(&self) -> Usage {
        self.usage + self.judge_usage
    }
}

/// The columns of an exported rollout. Tokens and cost are those of policy and judge together, so
/// that they add up to the counters.
pub const ROLLOUT_EXPORT: &[ExportColumn<(), RolloutRow>] = &[
    ("run_id", |(), row| json!(row.run_id)),
    ("trial_id", |(), row| json!(row.trial_id())),
    ("candidate_id", |(), row| json!(row.candidate_id)),
    ("phase", |(), row| json!(row.phase)),
    ("stage", |(), row| json!(row.stage)),
    ("iteration", |(), row| json!(row.key.iteration)),
    ("trial_index", |(), row| json!(row.key.index)),
    ("seed", |(), row| json!(row.example)),
    ("attempts", |(), row| json!(row.attempts)),
    ("outcome", |(), row| json!(row.outcome())),
    ("score", |(), row| json!(row.score)),
    ("error", |(), row| json!(row.error)),
    ("prompt_tokens", |(), row| {
        json!(row.whole_usage().prompt_tokens)
    }),
    ("completion_tokens", |(), row| {
        json!(row.whole_usage().completion_tokens)
    }),
    ("unknown_tokens", |(), row| {
        json!(row.whole_usage().unknown_tokens)
    }),
    ("tokens", |(), row| json!(row.whole_usage().total_tokens())),
    ("cost_usd", |(), row| {
        json!(row.whole_usage().known_dollars())
    }),
    ("started_at", |(), row| json!(row.started_at.to_string())),
    ("finished_at", |(), row| json!(row.finished_at.to_string())),
];

/// How a rollout ended: `scored`, or the kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OutcomeWord(Option<FailureKind>);

impl Column for OutcomeWord {
    const KINDS: &'static [ColumnKind] = &[ColumnKind::Text];

    fn write<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.push(Cell::text(self.0.map_or("scored", FailureKind::as_str)));
    }

    fn read(cells: &mut impl CellReader) -> Result<Self, ColumnError> {
        match cells.next()? {
            Cell::Text(word) if word == "scored" => Ok(Self(None)),
            cell => cell.into_word().map(|kind| Self(Some(kind))),
        }
    }
}
