//! The state of a run, folded from its events.

use std::time::Instant;

use gepa_engine::config::BudgetSettings;
use gepa_engine::record::{RunRow, RunSummary};
use gepa_engine::{Counters, Decision, Event, EventBody, Fact, Seq};
use gepa_evaluation::{Outcome, Scored};

/// The limits of a run.
#[derive(Clone, Debug)]
pub(crate) struct Limits(BudgetSettings);

/// A limit that the run approaches, and how far it has come.
pub(crate) struct Nearest {
    pub(crate) name: &'static str,
    pub(crate) used: f64,
    pub(crate) limit: f64,
}

/// How many scored rollouts of the search had feedback or a trace.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    something: u64,
    nothing: u64,
}

/// The state of a run.
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) summary: RunSummary,
    pub(crate) is_validating: bool,
    /// The message of the last failed rollout or reflection.
    pub(crate) last_failure: Option<String>,
    /// The rollouts so far with something for the reflection model to read, and those without.
    told: Told,
    /// The event that showed that scores lie above what counts as perfect.
    pub(crate) scale_warned_at: Option<Seq>,
    perfect_score: Option<f64>,
    limits: Limits,
    began: Instant,
    earlier_seconds: f64,
    rollouts_before: u64,
    done_before: f64,
}

/// The configured `search.perfect_score` of a run.
pub(crate) fn perfect_score(run: &RunRow) -> Option<f64> {
    run.setting("search", "perfect_score")?.as_f64()
}

impl Limits {
    pub(crate) fn of(budget: BudgetSettings) -> Self {
        Self(budget)
    }

    /// The limit with the largest part used; reaching any of them ends the search.
    fn nearest(&self, counters: &Counters, seconds: f64) -> Option<Nearest> {
        let Self(budget) = self;
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        let all = [
            (
                "rollouts",
                counters.total_rollouts as f64,
                whole(budget.max_rollouts),
            ),
            (
                "reflection calls",
                counters.reflection_calls as f64,
                whole(budget.max_reflection_calls),
            ),
            (
                "tokens",
                counters.total_tokens as f64,
                whole(budget.max_tokens),
            ),
            ("dollars", counters.total_cost_usd(), budget.max_cost_usd),
            (
                "iterations",
                counters.iterations as f64,
                whole(budget.max_iterations),
            ),
            ("seconds", seconds, budget.max_seconds),
        ];
        all.into_iter()
            .filter_map(|(name, used, limit)| {
                let limit = limit.filter(|limit| *limit > 0.0)?;
                Some(Nearest { name, used, limit })
            })
            .max_by(|left, right| left.share().total_cmp(&right.share()))
    }
}

impl Nearest {
    /// The part used, from 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        (self.used / self.limit).min(1.0)
    }
}

impl Told {
    fn count(&mut self, scored: &Scored) {
        let has_feedback = scored
            .feedback
            .as_ref()
            .is_some_and(|text| !text.is_empty());
        if has_feedback || scored.trace.is_some() {
            self.something += 1;
        } else {
            self.nothing += 1;
        }
    }
}

impl Standing {
    /// The state of a run before this process works on it.
    pub(crate) fn new(run: &RunRow, limits: Limits) -> Self {
        let summary = &run.summary;
        let before = limits.nearest(&summary.counters, summary.active_seconds);
        Self {
            name: run.name.clone(),
            summary: summary.clone(),
            is_validating: false,
            last_failure: None,
            told: Told::default(),
            scale_warned_at: None,
            perfect_score: perfect_score(run),
            limits,
            began: Instant::now(),
            earlier_seconds: summary.active_seconds,
            rollouts_before: summary.counters.total_rollouts,
            done_before: before.map_or(0.0, |nearest| nearest.share()),
        }
    }

    /// Counts one event.
    pub(crate) fn count(&mut self, event: &Event) {
        self.summary.take_in(event);
        if self.scale_warned_at.is_none() && self.scale_warning().is_some() {
            self.scale_warned_at = Some(event.seq);
        }
        match &event.body {
            EventBody::Decision(Decision::StopDecided(_)) => self.is_validating = true,
            EventBody::Fact(Fact::LimitsChanged(_)) => self.is_validating = false,
            EventBody::Fact(Fact::RolloutSettled(rollout)) => match &*rollout.outcome {
                Outcome::Failed(failure) => {
                    let kind = failure.kind.as_str();
                    self.last_failure = Some(format!("{kind}: {}", failure.message));
                }
                Outcome::Scored(scored) => self.told.count(scored),
            },
            EventBody::Fact(Fact::ReflectionSettled(settled)) => {
                if let Some(failure) = &settled.failure {
                    self.last_failure = Some(format!("reflection: {}", failure.message));
                }
            }
            _ => {}
        }
    }

    /// The warning about an evaluator that explains no score, if that is so up to now.
    pub(crate) fn silence(&self) -> Option<String> {
        let Told { something, nothing } = self.told;
        (something == 0 && nothing > 0).then(|| {
            format!(
                "none of {nothing} rollouts has feedback or a trace, so the reflection model sees scores and outputs \
                 only; let the evaluator return `feedback`"
            )
        })
    }

    /// The warning about scores above what counts as perfect.
    pub(crate) fn scale_warning(&self) -> Option<String> {
        self.summary.scores.as_ref()?.warning(self.perfect_score)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.summary.counters
    }

    /// Seconds this process has worked on the run.
    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Rollouts a second in this process.
    pub(crate) fn rate(&self) -> f64 {
        let here = self.counters().total_rollouts - self.rollouts_before;
        here as f64 / self.seconds().max(0.001)
    }

    /// The limit with the largest part used; `None` without limits.
    pub(crate) fn nearest_limit(&self) -> Option<Nearest> {
        let seconds = self.earlier_seconds + self.seconds();
        self.limits.nearest(self.counters(), seconds)
    }

    /// Seconds until that limit is reached at the pace so far.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        let share = self.nearest_limit()?.share();
        let here = share - self.done_before;
        (here > 0.01).then(|| self.seconds() * (1.0 - share) / here)
    }
}
