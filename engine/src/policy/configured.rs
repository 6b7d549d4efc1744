//! The policies of one run.

use std::fmt;

use super::stop::built_in;
use super::{
    AcceptanceRule, BestMean, ComponentSelector, EpochShuffled, MinibatchSampler, ParentSelector,
    StopCondition, WinnerChoice,
};
use crate::config::Config;

/// One policy for each point of the search.
pub(crate) struct PolicySet {
    pub(crate) parent: Box<dyn ParentSelector>,
    pub(crate) minibatch: Box<dyn MinibatchSampler>,
    pub(crate) components: Box<dyn ComponentSelector>,
    pub(crate) acceptance: Box<dyn AcceptanceRule>,
    pub(crate) winner: Box<dyn WinnerChoice>,
    pub(crate) stop: Vec<Box<dyn StopCondition>>,
}

impl PolicySet {
    /// The policies that the configuration names.
    pub(crate) fn configured(config: &Config) -> Self {
        let search = &config.settings().search;
        let sampler = EpochShuffled::new(config.sets().train.len(), search.minibatch_size as usize);
        Self {
            parent: Box::new(search.parent_rule()),
            minibatch: Box::new(sampler),
            components: Box::new(search.components),
            acceptance: Box::new(search.acceptance),
            winner: Box::new(BestMean),
            stop: built_in(),
        }
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PolicySet").finish_non_exhaustive()
    }
}
