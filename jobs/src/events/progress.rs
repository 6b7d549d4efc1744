//! The progress of a run, as `prompt.learning.progress` reports it.

use std::collections::BTreeMap;

use gepa_engine::record::RunSummary;
use gepa_engine::{RolloutSettled, RolloutsDropped, TrialFinished, TrialKey, TrialStarted};
use gepa_evaluation::Phase;
use serde::Serialize;

/// The totals that progress is measured against.
#[derive(Debug, Default)]
pub(super) struct RunProgress {
    /// The rollouts that the run may execute by its limits, if they bound them.
    pub(super) planned: Option<u64>,
    /// Rollouts ordered so far. Without a plan this is the total.
    pub(super) ordered: u64,
    /// Of those, the ones of each open trial that have not been executed.
    pub(super) awaited: BTreeMap<TrialKey, u64>,
    /// Trials of phase validation, begun and finished.
    pub(super) validation_begun: u64,
    pub(super) validation_finished: u64,
    /// The largest share shown so far. A shown share never falls.
    pub(super) shown: f64,
    /// The largest total shown so far. A shown total never falls.
    pub(super) total: u64,
}

/// What an event about progress says.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProgressData {
    rollouts_completed: u64,
    rollouts_total: u64,
    rollout_budget_display: u64,
    rollouts_remaining: u64,
    percent_rollouts: f64,
    percent_overall: f64,
    transformations_tried: u64,
    trials_tried: u64,
    total_trials_evaluated: u64,
    rollout_tokens_used: u64,
    total_tokens: u64,
    total_cost_usd: f64,
    unpriced_calls: u64,
    elapsed_seconds: u64,
    eta_seconds: f64,
    phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    best_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_candidate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_total: Option<u64>,
}

impl RunProgress {
    pub(super) fn trial_began(&mut self, started: &TrialStarted) {
        let ordered = started.examples.len() as u64 - u64::from(started.reused);
        self.ordered += ordered;
        self.awaited.insert(started.trial, ordered);
    }

    /// A rollout was executed.
    pub(super) fn executed(&mut self, rollout: &RolloutSettled) {
        if let Some(awaited) = self.awaited.get_mut(&rollout.trial)
            && !rollout.again
        {
            *awaited = awaited.saturating_sub(1);
        }
    }

    /// Rollouts will not be executed.
    pub(super) fn dropped(&mut self, dropped: &RolloutsDropped) {
        let never_begun = dropped.positions.len() as u64;
        self.ordered = self.ordered.saturating_sub(never_begun);
        if let Some(awaited) = self.awaited.get_mut(&dropped.trial) {
            *awaited = awaited.saturating_sub(never_begun);
        }
    }

    /// A trial that is over has taken the rest of its outcomes from elsewhere.
    pub(super) fn trial_ended(&mut self, finished: &TrialFinished) {
        let awaited = self.awaited.remove(&finished.trial).unwrap_or_default();
        self.ordered = self.ordered.saturating_sub(awaited);
    }

    /// Progress as a sentence and as data. Every number stays in the range that clients accept.
    pub(super) fn describe(&mut self, summary: &RunSummary) -> (String, ProgressData) {
        let counters = &summary.counters;
        let completed = counters.total_rollouts;
        let planned = self.planned.unwrap_or(self.ordered);
        self.total = self.total.max(planned).max(completed).max(1);
        let total = self.total;
        let share = completed as f64 / total as f64;
        self.shown = if summary.status.is_terminal() {
            1.0
        } else {
            self.shown.max(share)
        };
        let elapsed = summary.active_seconds;
        let remaining = (total - completed) as f64;
        let is_over = summary.status.is_terminal();
        let eta = if completed == 0 || is_over {
            0.0
        } else {
            remaining * elapsed / completed as f64
        };
        let rollout_tokens = counters.rollouts_prompt_tokens
            + counters.rollouts_completion_tokens
            + counters.rollouts_unknown_tokens;
        // Clients refuse a score outside 0..1, so such a score is left out.
        let best_score = summary.best_score.filter(|s| (0.0..=1.0).contains(s));
        let current = (self.validation_finished + 1).min(self.validation_begun);
        let is_validating = self.validation_begun > 0;
        let data = ProgressData {
            rollouts_completed: completed,
            rollouts_total: total,
            rollout_budget_display: total,
            rollouts_remaining: total - completed,
            percent_rollouts: share,
            percent_overall: self.shown,
            transformations_tried: counters.trials_tried.saturating_sub(1),
            trials_tried: counters.trials_tried,
            total_trials_evaluated: counters.total_trials_evaluated,
            rollout_tokens_used: rollout_tokens,
            total_tokens: counters.total_tokens,
            total_cost_usd: counters.total_cost_usd(),
            unpriced_calls: counters.unpriced_calls,
            elapsed_seconds: elapsed as u64,
            eta_seconds: eta,
            phase: self.phase().as_str(),
            best_score,
            validation_candidate: is_validating.then_some(current),
            validation_total: is_validating.then_some(self.validation_begun),
        };
        let message = format!(
            "Progress: rollouts={completed}/{total} ({:.0}%) elapsed={elapsed:.0}s eta={eta:.0}s",
            share * 100.0
        );
        (message, data)
    }

    fn phase(&self) -> Phase {
        if self.validation_begun > 0 {
            Phase::Validation
        } else {
            Phase::Optimization
        }
    }
}
