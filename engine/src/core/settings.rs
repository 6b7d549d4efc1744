//! Settings that change in the middle of a journal, because the run began as a branch of another
//! run.

use std::collections::VecDeque;
use std::sync::Arc;

use super::scale::Scale;
use super::state::Core;
use crate::config::Settings;
use crate::event::RunStarted;
use crate::policy::{Policies, PolicySet};
use crate::random::source_of;

impl Core {
    /// Reads from the journal how the run began. The run must not have begun yet.
    pub(crate) fn begin_as(&mut self, started: &RunStarted) {
        if let Some(settings) = &started.settings {
            self.restart(settings);
        }
        self.scale = Scale::as_journaled(started.scores);
        if self.scale.leaves_failures_out() {
            self.memory.buy_at_every_gate();
        }
        self.branch_points = VecDeque::from(started.branch_points.clone());
        if let Some(limits) = &started.limits {
            self.limit_to(limits.clone());
        }
    }

    /// Whether no iteration begins before the settings change.
    pub(crate) fn is_held(&self) -> bool {
        let point = self.branch_points.front();
        point.is_some_and(|point| self.next_iteration > *point)
    }

    /// The changes of settings that are still to come.
    pub(crate) fn branch_points(&self) -> usize {
        self.branch_points.len()
    }

    /// The first iteration that has not begun.
    pub(crate) fn next_iteration(&self) -> u64 {
        self.next_iteration
    }

    /// Applies these settings: the shared part is over, and later decisions follow them.
    pub(super) fn change_settings(&mut self, settings: &Settings) {
        self.branch_points.pop_front();
        let before = self.config.settings();
        // The branch that journals the change has built a configuration of it. A damaged journal
        // keeps the settings in force.
        if settings != before
            && let Ok(config) = self.config.with_settings(settings.clone())
        {
            if !draws_alike(settings, before) {
                self.random = source_of(settings);
            }
            self.policies.reconfigure(before, &config);
            let fraction = settings.rollouts.max_failure_fraction;
            self.failures.tolerate(fraction);
            self.memory.tune(&settings.search);
            if let Some(growth) = &mut self.growth {
                growth.tune(&settings.search.growing);
            }
            self.config = Arc::new(config);
        }
        self.limit_to(settings.budget.clone());
    }

    fn restart(&mut self, settings: &Settings) {
        let Ok(config) = self.config.with_settings(settings.clone()) else {
            return;
        };
        let fresh = source_of(settings);
        let random = if draws_alike(settings, self.config.settings()) {
            std::mem::replace(&mut self.random, fresh)
        } else {
            fresh
        };
        let unused = PolicySet::new(&config, Policies::new());
        let mut policies = std::mem::replace(&mut self.policies, unused);
        policies.reconfigure(self.config.settings(), &config);
        *self = Self::new(
            Arc::new(config),
            self.memory.reuses(),
            random,
            Policies::new(),
        );
        self.policies = policies;
    }
}

/// Whether both settings name the same source of randomness.
fn draws_alike(one: &Settings, other: &Settings) -> bool {
    (one.run.seed, one.search.rules) == (other.run.seed, other.search.rules)
}
