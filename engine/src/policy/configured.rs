//! The policies of one run.

use std::fmt;

use super::answers::{Answers, Seat};
use super::stop::{AnyOf, built_in};
use super::{
    AcceptanceRule, BestMean, ComponentSelector, EpochShuffled, Full, Growing, MinibatchSampler,
    ParentSelector, ParetoEvaluation, Policies, StopCondition, WinnerChoice,
};
use crate::config::{Config, Evaluation, SearchSettings, Settings};

/// One policy for each point of the search, and the answers of foreign ones.
pub(crate) struct PolicySet {
    pub(crate) parent: Seat<dyn ParentSelector>,
    pub(crate) minibatch: Seat<dyn MinibatchSampler>,
    pub(crate) components: Seat<dyn ComponentSelector>,
    pub(crate) acceptance: Seat<dyn AcceptanceRule>,
    pub(crate) evaluation: Seat<dyn ParetoEvaluation>,
    pub(crate) winner: Seat<dyn WinnerChoice>,
    pub(crate) stop: Seat<dyn StopCondition>,
    pub(crate) answers: Answers,
    /// Whether a foreign policy chose a parent, so that any candidate may become one.
    pub(crate) any_may_be_parent: bool,
}

impl PolicySet {
    /// Builds the policies that the configuration names, and those that replace them.
    pub(crate) fn new(config: &Config, given: Policies) -> Self {
        let search = &config.settings().search;
        let sampler = EpochShuffled::new(config.sets().train.len(), search.minibatch_size as usize);
        let (replayable, foreign): (Vec<_>, Vec<_>) =
            given.stop.into_iter().partition(|one| one.replayable());
        let mut conditions = built_in();
        conditions.extend(replayable);
        let foreign =
            (!foreign.is_empty()).then(|| -> Box<dyn StopCondition> { Box::new(AnyOf(foreign)) });
        Self {
            parent: Seat::new(
                Box::new(search.parent_rule()),
                given.parent,
                ParentSelector::replayable,
            ),
            minibatch: Seat::new(
                Box::new(sampler),
                given.minibatch,
                MinibatchSampler::replayable,
            ),
            components: Seat::new(
                Box::new(search.components),
                given.components,
                ComponentSelector::replayable,
            ),
            acceptance: Seat::new(
                Box::new(search.acceptance),
                given.acceptance,
                AcceptanceRule::replayable,
            ),
            evaluation: Seat::new(
                evaluation_of(search),
                given.evaluation,
                ParetoEvaluation::replayable,
            ),
            winner: Seat::new(Box::new(BestMean), given.winner, WinnerChoice::replayable),
            stop: Seat {
                configured: Box::new(AnyOf(conditions)),
                foreign,
            },
            answers: Answers::default(),
            any_may_be_parent: false,
        }
    }
}

impl PolicySet {
    /// Builds the configured policies again whose settings change.
    pub(crate) fn reconfigure(&mut self, before: &Settings, after: &Config) {
        let (old, new) = (&before.search, &after.settings().search);
        let rule = |search: &SearchSettings| (search.parent, search.epsilon, search.top_k);
        if rule(old) != rule(new) {
            self.parent.configured = Box::new(new.parent_rule());
        }
        if old.minibatch_size != new.minibatch_size {
            let (examples, size) = (after.sets().train.len(), new.minibatch_size as usize);
            self.minibatch.configured = Box::new(EpochShuffled::new(examples, size));
        }
        if old.components != new.components {
            self.components.configured = Box::new(new.components);
        }
        if (old.evaluation, &old.growing) != (new.evaluation, &new.growing) {
            self.evaluation.configured = evaluation_of(new);
        }
        if old.acceptance != new.acceptance {
            self.acceptance.configured = Box::new(new.acceptance);
        }
    }
}

fn evaluation_of(search: &SearchSettings) -> Box<dyn ParetoEvaluation> {
    match search.evaluation {
        Evaluation::Full => Box::new(Full),
        Evaluation::Growing => Box::new(Growing::new(search.growing.clone())),
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PolicySet").finish_non_exhaustive()
    }
}
