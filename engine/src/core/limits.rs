//! The limits in force, and how a run continues under other limits.

use std::fmt::Display;

use gepa_evaluation::{MicroUsd, Stage};

use super::state::{Core, Part};
use super::trial::Trial;
use super::work::Work;
use crate::config::BudgetSettings;
use crate::event::LimitsChanged;
use crate::policy::StopAnswer;
use crate::stop::StopReason;

/// Why other limits cannot be applied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LimitsRefused {
    /// The run has already spent or reserved more than the new limit.
    BelowSpent {
        key: &'static str,
        before: String,
        after: String,
        spent: String,
    },
    /// The run ended for a reason that no limit can remove.
    Over(StopReason),
    /// The run is over and would end again at once under the new limits.
    StillOver(StopReason),
}

/// Rollouts that the next final scoring may need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValidationAhead {
    pub(crate) of_seed: u64,
    pub(crate) of_best: u64,
}

impl ValidationAhead {
    /// Takes off a rollout of this stage that has ended.
    pub(crate) fn note_end_of(&mut self, stage: Stage) {
        let left = match stage {
            Stage::ValidationBaseline => &mut self.of_seed,
            Stage::ValidationTopK => &mut self.of_best,
            _ => return,
        };
        *left = left.saturating_sub(1);
    }
}

/// One limit before and after the change, and the amount already spent.
struct Narrowing {
    key: &'static str,
    before: Option<f64>,
    after: Option<f64>,
    spent: f64,
}

impl Core {
    /// The limits in force.
    pub(crate) fn limits(&self) -> &BudgetSettings {
        &self.limits
    }

    /// Applies limits. Reserves the rollouts that final scorings have bought and may still buy.
    pub(crate) fn limit_to(&mut self, limits: BudgetSettings) {
        let set_aside = self.validation_share();
        let rollouts = limits.max_rollouts.map(|max| max.saturating_sub(set_aside));
        self.ledger.limit_to(rollouts, limits.max_reflection_calls);
        self.limits = limits;
    }

    /// Rollouts that the next final scoring may need: those of the seed whose outcome is not known, and those
    /// of the best candidates, which may be new ones.
    pub(crate) fn validation_ahead(&self) -> ValidationAhead {
        if let Part::Validating(trials) = &self.part {
            let of_best = trials.iter().map(Trial::open).sum();
            return ValidationAhead {
                of_seed: 0,
                of_best,
            };
        }
        let known = self.scorings.count(self.config.seed().content_id());
        let of_seed = self.config.sets().validation.len() as u64;
        ValidationAhead {
            of_seed: of_seed.saturating_sub(known),
            of_best: self.config.validation_rollouts().saturating_sub(of_seed),
        }
    }

    /// Applies other limits. If they can remove the reason for which the run ended, the search goes
    /// on.
    pub(super) fn change_limits(&mut self, changed: &LimitsChanged) {
        if self.can_go_on() {
            self.reopen();
        }
        self.limit_to(changed.after.clone());
    }

    /// Checks whether these limits can replace those in force. `active_seconds` is the time, in
    /// seconds, for which a process worked on the run.
    pub(crate) fn check_limits(
        &mut self,
        wanted: &BudgetSettings,
        active_seconds: f64,
    ) -> Result<(), LimitsRefused> {
        if let Some(reason) = self.stop.clone()
            && !self.can_go_on()
        {
            return Err(LimitsRefused::Over(reason));
        }
        self.check_spent(wanted, active_seconds)?;
        if self.is_finished()
            && let Some(reason) = self.would_stop(wanted, active_seconds)
        {
            return Err(LimitsRefused::StillOver(reason));
        }
        Ok(())
    }

    /// Whether the search ended for a reason that other limits can remove.
    fn can_go_on(&self) -> bool {
        let has_ended = matches!(
            self.part,
            Part::Draining | Part::Validating(_) | Part::Finished
        );
        let is_lifted = self.stop.as_ref().is_some_and(StopReason::can_be_lifted);
        has_ended && is_lifted && !self.archive.is_empty()
    }

    fn reopen(&mut self) {
        if let Part::Validating(trials) = std::mem::replace(&mut self.part, Part::Searching) {
            for trial in &trials {
                self.scorings.remember(trial);
            }
            self.work.push(Work::DropQueued);
        }
        self.stop = None;
        self.winners = None;
        self.replacements.clear();
        self.say_what_changed_after_the_end();
    }

    /// The part of the rollout limit that belongs to final scorings.
    fn validation_share(&self) -> u64 {
        let known = self.scorings.count(self.config.seed().content_id());
        let ahead = self.config.validation_rollouts().saturating_sub(known);
        self.scorings.executed() + ahead
    }

    fn check_spent(&self, wanted: &BudgetSettings, seconds: f64) -> Result<(), LimitsRefused> {
        let before = &self.limits;
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        let rollouts = self.ledger.rollouts(0);
        let calls = self.ledger.reflections(0);
        let narrowing = |key, before, after, spent| Narrowing {
            key,
            before,
            after,
            spent,
        };
        let all = [
            narrowing(
                "budget.max_rollouts",
                whole(before.max_rollouts),
                whole(wanted.max_rollouts),
                (rollouts.used + rollouts.reserved + self.validation_share()) as f64,
            ),
            narrowing(
                "budget.max_reflection_calls",
                whole(before.max_reflection_calls),
                whole(wanted.max_reflection_calls),
                (calls.used + calls.reserved) as f64,
            ),
            narrowing(
                "budget.max_tokens",
                whole(before.max_tokens),
                whole(wanted.max_tokens),
                self.counters.total_tokens as f64,
            ),
            narrowing(
                "budget.max_cost_usd",
                before.max_cost_usd,
                wanted.max_cost_usd,
                self.counters.total_cost_usd(),
            ),
            narrowing(
                "budget.max_seconds",
                before.max_seconds,
                wanted.max_seconds,
                seconds,
            ),
            narrowing(
                "budget.max_iterations",
                whole(before.max_iterations),
                whole(wanted.max_iterations),
                (self.next_iteration - 1) as f64,
            ),
            narrowing(
                "budget.max_candidates",
                before.max_candidates.map(f64::from),
                wanted.max_candidates.map(f64::from),
                self.archive.len() as f64,
            ),
            narrowing(
                "budget.no_improvement_iterations",
                whole(before.no_improvement_iterations),
                whole(wanted.no_improvement_iterations),
                self.since_best as f64,
            ),
        ];
        all.iter().try_for_each(Narrowing::check)
    }

    /// The reason for which the search would end at once under these limits.
    fn would_stop(&mut self, wanted: &BudgetSettings, seconds: f64) -> Option<StopReason> {
        let ended = self.stop.clone();
        let repeats = match &ended {
            Some(StopReason::TokenBudget { .. }) => wanted.max_tokens == self.limits.max_tokens,
            Some(StopReason::CostBudget { .. }) => wanted.max_cost_usd == self.limits.max_cost_usd,
            Some(StopReason::TimeBudget { .. }) => wanted.max_seconds == self.limits.max_seconds,
            _ => false,
        };
        if repeats {
            return ended;
        }
        if let Some(limit_seconds) = wanted.max_seconds.filter(|limit| seconds >= *limit) {
            return Some(StopReason::TimeBudget { limit_seconds });
        }
        let used = self.counters.total_tokens;
        if let Some(limit) = wanted.max_tokens.filter(|limit| used >= *limit) {
            return Some(StopReason::TokenBudget {
                limit,
                used,
                set_aside: 0,
            });
        }
        let used = self.counters.total_cost_micro_usd;
        let limit = wanted
            .max_cost_usd
            .map(|limit| MicroUsd::from_dollars(limit).0);
        if let Some(limit_micro_usd) = limit.filter(|limit| used >= *limit) {
            return Some(StopReason::CostBudget {
                limit_micro_usd,
                used_micro_usd: used,
                set_aside_micro_usd: 0,
            });
        }
        let in_force = self.limits.clone();
        self.limit_to(wanted.clone());
        let answer = self.stop_answer();
        self.limit_to(in_force);
        match answer {
            StopAnswer::GoOn => None,
            StopAnswer::Stop(reason) | StopAnswer::StopIfIdle(reason) => Some(reason),
        }
    }
}

impl Narrowing {
    fn check(&self) -> Result<(), LimitsRefused> {
        let Some(after) = self.after else {
            return Ok(());
        };
        let is_narrower = self.before.is_none_or(|before| after < before);
        if !is_narrower || after >= self.spent {
            return Ok(());
        }
        let shown = |value: &dyn Display| value.to_string();
        Err(LimitsRefused::BelowSpent {
            key: self.key,
            before: self
                .before
                .map_or_else(|| "not set".to_owned(), |before| shown(&before)),
            after: shown(&after),
            spent: shown(&self.spent),
        })
    }
}
