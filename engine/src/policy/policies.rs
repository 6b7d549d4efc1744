//! Policies given as Rust values, which replace the configured ones.

use std::fmt;

use gepa_archive::{CandidateIndex, Draw};

use super::{
    AcceptanceRule, ComponentSelector, GateQuestion, MinibatchSampler, ParentQuestion,
    ParentSelector, ParetoEvaluation, Standing, StopAnswer, StopCondition, WinnerChoice,
};
use crate::config::Config;
use crate::stop::StopReason;

/// Policies that replace those the configuration names.
///
/// A `replayable` policy must be given again whenever the run is resumed or replayed. Every answer
/// of another policy is journaled as [`PolicyDecided`](crate::PolicyDecided), before any decision
/// that follows from it. The recorded run can therefore be resumed and replayed without that
/// policy. A run resumed without it goes on with the configured policy.
///
/// For a policy that is not replayable, the configured policy still sets the bounds:
/// `search.minibatch_size` bounds a minibatch, `search.components` bounds the number of components
/// rewritten, and the pareto set is paid for before a proposal begins.
#[derive(Default)]
pub struct Policies {
    pub(super) parent: Option<Box<dyn ParentSelector>>,
    pub(super) minibatch: Option<Box<dyn MinibatchSampler>>,
    pub(super) components: Option<Box<dyn ComponentSelector>>,
    pub(super) acceptance: Option<Box<dyn AcceptanceRule>>,
    pub(super) evaluation: Option<Box<dyn ParetoEvaluation>>,
    pub(super) winner: Option<Box<dyn WinnerChoice>>,
    pub(super) stop: Vec<Box<dyn StopCondition>>,
}

/// A policy that is a closure. It is not replayable.
struct Closure<F>(F);

/// A stop condition that is a closure.
struct NamedCondition<F> {
    name: String,
    detail: F,
}

impl Policies {
    /// Those of the configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses parents.
    #[must_use]
    pub fn parent(mut self, selector: impl ParentSelector + 'static) -> Self {
        self.parent = Some(Box::new(selector));
        self
    }

    /// Chooses parents by a closure.
    #[must_use]
    pub fn parent_by<F>(self, select: F) -> Self
    where
        F: FnMut(&ParentQuestion<'_>, &mut dyn Draw) -> Option<CandidateIndex> + Send + 'static,
    {
        self.parent(Closure(select))
    }

    /// Draws minibatches.
    #[must_use]
    pub fn minibatch(mut self, sampler: impl MinibatchSampler + 'static) -> Self {
        self.minibatch = Some(Box::new(sampler));
        self
    }

    /// Chooses components.
    #[must_use]
    pub fn components(mut self, selector: impl ComponentSelector + 'static) -> Self {
        self.components = Some(Box::new(selector));
        self
    }

    /// Decides at the gate.
    #[must_use]
    pub fn acceptance(mut self, rule: impl AcceptanceRule + 'static) -> Self {
        self.acceptance = Some(Box::new(rule));
        self
    }

    /// Decides at the gate by a closure: whether the child goes on.
    #[must_use]
    pub fn accept_if<F>(self, passes: F) -> Self
    where
        F: FnMut(&GateQuestion<'_>) -> bool + Send + 'static,
    {
        self.acceptance(Closure(passes))
    }

    /// Decides how much of the pareto set a candidate is run on.
    #[must_use]
    pub fn evaluation(mut self, evaluation: impl ParetoEvaluation + 'static) -> Self {
        self.evaluation = Some(Box::new(evaluation));
        self
    }

    /// Chooses the result of the run.
    #[must_use]
    pub fn winner(mut self, choice: impl WinnerChoice + 'static) -> Self {
        self.winner = Some(Box::new(choice));
        self
    }

    /// Adds a condition that ends the search, beside the configured ones; may be called more than
    /// once.
    #[must_use]
    pub fn stop(mut self, condition: impl StopCondition + 'static) -> Self {
        self.stop.push(Box::new(condition));
        self
    }

    /// Ends the search as soon as a closure gives a reason; it is reported under `name`.
    #[must_use]
    pub fn stop_if<F>(self, name: impl Into<String>, detail: F) -> Self
    where
        F: FnMut(&Standing<'_>) -> Option<String> + Send + 'static,
    {
        let name = name.into();
        self.stop(NamedCondition { name, detail })
    }

    /// Pareto examples that the seed, and a child, is run on at first.
    pub(crate) fn first_order(&self, config: &Config) -> u64 {
        let pareto = config.sets().pareto.len();
        let given = self.evaluation.as_ref().filter(|one| one.replayable());
        given.map_or(config.first_order(), |one| {
            one.first(pareto).clamp(1, pareto) as u64
        })
    }
}

impl<F> ParentSelector for Closure<F>
where
    F: FnMut(&ParentQuestion<'_>, &mut dyn Draw) -> Option<CandidateIndex> + Send,
{
    fn select(
        &mut self,
        question: &ParentQuestion<'_>,
        draw: &mut dyn Draw,
    ) -> Option<CandidateIndex> {
        (self.0)(question, draw)
    }
}

impl<F: FnMut(&GateQuestion<'_>) -> bool + Send> AcceptanceRule for Closure<F> {
    fn passes(&mut self, question: &GateQuestion<'_>) -> bool {
        (self.0)(question)
    }
}

impl<F: FnMut(&Standing<'_>) -> Option<String> + Send> StopCondition for NamedCondition<F> {
    fn ask(&mut self, standing: &Standing<'_>) -> StopAnswer {
        (self.detail)(standing).map_or(StopAnswer::GoOn, |detail| {
            let name = self.name.clone();
            StopAnswer::Stop(StopReason::Custom { name, detail })
        })
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Policies").finish_non_exhaustive()
    }
}
