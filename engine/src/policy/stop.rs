//! When the search ends.

use super::spread::nothing_differs;
use super::standing::Standing;
use crate::stop::StopReason;

/// The answer of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum StopAnswer {
    /// Another generation may begin.
    GoOn,
    /// The search ends. Proposals in flight are still decided on.
    Stop(StopReason),
    /// No generation begins before everything in flight has been decided on. The search ends if the
    /// condition says the same then.
    StopIfIdle(StopReason),
}

/// A condition that ends the search.
///
/// The core asks each time another generation could begin, possibly more than once for the same
/// one. The first condition of the list that does not say [`StopAnswer::GoOn`] decides; later ones
/// are not asked.
///
/// A condition that is not [replayable](Self::replayable) is asked after all others, once for each
/// generation, and only if no other condition prevents the generation. Its `StopIfIdle` counts as
/// `Stop`.
///
/// The answer depends on the standing alone. A condition that was reached stays reached while
/// nothing further is decided.
pub trait StopCondition: Send {
    /// Whether the search ends here.
    fn ask(&mut self, standing: &Standing<'_>) -> StopAnswer;

    /// Whether another process gives the same answers to the same questions, from the configuration
    /// and this value alone. If not, the answers are journaled; see [`Policies`](super::Policies).
    fn replayable(&self) -> bool {
        false
    }
}

/// The answer of the first condition in a list that does not say to go on.
pub(super) struct AnyOf(pub(super) Vec<Box<dyn StopCondition>>);

impl StopCondition for AnyOf {
    fn ask(&mut self, standing: &Standing<'_>) -> StopAnswer {
        let mut answers = self.0.iter_mut().map(|condition| condition.ask(standing));
        answers
            .find(|answer| *answer != StopAnswer::GoOn)
            .unwrap_or(StopAnswer::GoOn)
    }
}

/// A condition that is one expression.
struct When(fn(&Standing<'_>) -> Option<StopReason>);

impl StopCondition for When {
    fn ask(&mut self, standing: &Standing<'_>) -> StopAnswer {
        (self.0)(standing).map_or(StopAnswer::GoOn, StopAnswer::Stop)
    }

    fn replayable(&self) -> bool {
        true
    }
}

/// The rest of a budget does not cover the next generation. Proposals in flight may still return a
/// part of their reservation.
struct WhenUncovered(fn(&Standing<'_>) -> Option<StopReason>);

impl StopCondition for WhenUncovered {
    fn ask(&mut self, standing: &Standing<'_>) -> StopAnswer {
        (self.0)(standing).map_or(StopAnswer::GoOn, StopAnswer::StopIfIdle)
    }

    fn replayable(&self) -> bool {
        true
    }
}

/// The engine's own conditions, in the order in which they are asked. A condition whose limit is
/// not set always says to go on.
pub(crate) fn built_in() -> Vec<Box<dyn StopCondition>> {
    vec![
        Box::new(When(iterations)),
        Box::new(When(target_score)),
        Box::new(When(candidates)),
        Box::new(When(no_improvement)),
        Box::new(When(nothing_differs)),
        Box::new(When(reflection_failures)),
        Box::new(When(nothing_left)),
        Box::new(WhenUncovered(rollout_budget)),
        Box::new(WhenUncovered(reflection_budget)),
    ]
}

fn iterations(standing: &Standing<'_>) -> Option<StopReason> {
    let limit = standing.limits.max_iterations?;
    (standing.iteration > limit).then_some(StopReason::Iterations { limit })
}

fn target_score(standing: &Standing<'_>) -> Option<StopReason> {
    let target = standing.limits.target_score?;
    let best = standing.archive.best()?;
    let score = standing.archive.get(best)?.estimate;
    (score >= target).then_some(StopReason::TargetScore { target, score })
}

fn candidates(standing: &Standing<'_>) -> Option<StopReason> {
    let limit = standing.limits.max_candidates?;
    let reached = standing.archive.len() >= limit as usize;
    reached.then_some(StopReason::Candidates {
        limit: u64::from(limit),
    })
}

fn no_improvement(standing: &Standing<'_>) -> Option<StopReason> {
    let limit = standing.limits.no_improvement_iterations?;
    let iterations = standing.since_best;
    (iterations >= limit).then_some(StopReason::NoImprovement { iterations })
}

fn reflection_failures(standing: &Standing<'_>) -> Option<StopReason> {
    let iterations = standing.unreflected;
    (iterations >= standing.most_unreflected).then(|| StopReason::ReflectionFailures {
        iterations,
        accepted: standing.archive.len().saturating_sub(1) as u64,
        message: standing.last_complaint.to_owned(),
    })
}

fn nothing_left(standing: &Standing<'_>) -> Option<StopReason> {
    let iterations = standing.idle;
    (iterations >= standing.most_idle).then_some(StopReason::NothingLeft { iterations })
}

fn rollout_budget(standing: &Standing<'_>) -> Option<StopReason> {
    let rollouts = standing.rollouts;
    let limit = rollouts.limit?;
    (!rollouts.covers_need()).then_some(StopReason::RolloutBudget {
        limit,
        used: rollouts.used,
        needed: rollouts.needed,
    })
}

fn reflection_budget(standing: &Standing<'_>) -> Option<StopReason> {
    let calls = standing.reflections;
    let limit = calls.limit?;
    (!calls.covers_need()).then_some(StopReason::ReflectionBudget {
        limit,
        used: calls.used,
    })
}
