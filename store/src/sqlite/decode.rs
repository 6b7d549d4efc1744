//! From columns to rows.

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, GateRow, RolloutRow, RunRow};
use gepa_engine::{JOURNAL_FORMAT, ReflectionFailure, RunId, Seq, StoreError, TrialKey};
use gepa_evaluation::{MicroUsd, Usage};

use super::value::{Columns, RowError};

/// The inner error is for a run whose journal this program cannot read.
pub(super) fn run_row(
    columns: &mut Columns<'_, '_>,
) -> Result<Result<RunRow, StoreError>, RowError> {
    if let Err(error) = check_format(columns.number()?) {
        return Ok(Err(error));
    }
    Ok(Ok(RunRow {
        run_id: columns.run_id()?,
        name: columns.get()?,
        created_at: columns.time()?,
        config: columns.json()?,
        policy_provider: columns.get()?,
        policy_model: columns.get()?,
        template: columns.json()?,
        pareto: columns.json()?,
        validation: columns.json()?,
        summary: columns.json()?,
    }))
}

/// Refuses a journal this program cannot read.
pub(super) fn check_format(found: u32) -> Result<(), StoreError> {
    if found > JOURNAL_FORMAT {
        return Err(StoreError::NewerFormat {
            found,
            known: JOURNAL_FORMAT,
        });
    }
    Ok(())
}

/// A candidate, its texts last.
pub(super) fn candidate_row(columns: &mut Columns<'_, '_>) -> Result<CandidateRow, RowError> {
    Ok(CandidateRow {
        run_id: columns.run_id()?,
        iteration: columns.count()?,
        candidate_id: columns.content_id()?,
        index: columns.optional_number()?.map(CandidateIndex),
        origin: columns.word()?,
        parents: columns.json()?,
        status: columns.word()?,
        close_reason: columns.optional_word()?,
        gate: gate(columns)?,
        mean_score: columns.get()?,
        scores: columns.optional_json()?,
        objectives: columns.json()?,
        validation_score: columns.get()?,
        validation_scores: columns.optional_json()?,
        accepted_seq: columns.optional_number()?.map(Seq),
        evicted_seq: columns.optional_number()?.map(Seq),
        created_at: columns.time()?,
        components: columns.json()?,
    })
}

fn gate(columns: &mut Columns<'_, '_>) -> Result<Option<GateRow>, RowError> {
    let passed: Option<bool> = columns.get()?;
    let compared: Option<u32> = columns.optional_number()?;
    let parent_sum: Option<f64> = columns.get()?;
    let child_sum: Option<f64> = columns.get()?;
    let Some(passed) = passed else {
        return Ok(None);
    };
    Ok(Some(GateRow {
        passed,
        compared: compared.unwrap_or_default(),
        parent_sum: parent_sum.unwrap_or_default(),
        child_sum: child_sum.unwrap_or_default(),
    }))
}

/// A rollout of `run`.
pub(super) fn rollout_row(
    run: &RunId,
    columns: &mut Columns<'_, '_>,
) -> Result<RolloutRow, RowError> {
    let (key, position) = (key(columns)?, columns.number()?);
    let candidate_id = columns.content_id()?;
    let (phase, stage, example) = (columns.word()?, columns.word()?, columns.example()?);
    let attempts = columns.number()?;
    let failure = columns.outcome()?;
    let (score, error) = (columns.get()?, columns.get()?);
    let (all, judge_usage) = (columns.usage()?, columns.usage()?);
    Ok(RolloutRow {
        run_id: run.clone(),
        key,
        position,
        candidate_id,
        phase,
        stage,
        example,
        attempts,
        score,
        failure,
        error,
        usage: without(all, judge_usage),
        judge_usage,
        started_at: columns.time()?,
        finished_at: columns.time()?,
        seq: columns.seq()?,
    })
}

/// Iteration and index of a trial.
pub(super) fn key(columns: &mut Columns<'_, '_>) -> Result<TrialKey, RowError> {
    Ok(TrialKey {
        iteration: columns.count()?,
        index: columns.number()?,
    })
}

/// Why a reflection failed.
pub(super) fn failure(
    columns: &mut Columns<'_, '_>,
) -> Result<Option<ReflectionFailure>, RowError> {
    let kind = columns.optional_word()?;
    let message: Option<String> = columns.get()?;
    Ok(kind.map(|kind| ReflectionFailure {
        kind,
        message: message.unwrap_or_default(),
    }))
}

fn without(all: Usage, share: Usage) -> Usage {
    Usage {
        calls: all.calls.saturating_sub(share.calls),
        prompt_tokens: all.prompt_tokens.saturating_sub(share.prompt_tokens),
        completion_tokens: all
            .completion_tokens
            .saturating_sub(share.completion_tokens),
        cached_tokens: all.cached_tokens.saturating_sub(share.cached_tokens),
        unknown_tokens: all.unknown_tokens.saturating_sub(share.unknown_tokens),
        cost: MicroUsd(all.cost.0.saturating_sub(share.cost.0)),
        unpriced_calls: all.unpriced_calls.saturating_sub(share.unpriced_calls),
    }
}
