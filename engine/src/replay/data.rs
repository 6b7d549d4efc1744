//! The content of a journal, arranged for lookup.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex, ContentId};
use gepa_evaluation::{ExampleId, Outcome, Stage};
use indexmap::IndexMap;

use crate::event::{
    Decision, Event, EventBody, Fact, ProposalIssued, ReflectionSettled, RolloutSettled,
};

/// The facts of a run, by content: another path may need an outcome that was bought for another
/// trial.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Whether an outcome bought for one purpose is known for every other.
    any_purpose: bool,
    rollouts: HashMap<(Use, ContentId, ExampleId), Arc<RolloutSettled>>,
    /// The pareto examples of each iteration's row, one list for each order given for it.
    orders: HashMap<u64, Vec<Vec<ExampleId>>>,
    /// The pareto examples that were executed, by iteration.
    bought: HashMap<u64, BTreeSet<ExampleId>>,
    reflections: HashMap<ReflectionKey, Arc<ReflectionSettled>>,
    /// What people did to the search, each with the number of iterations that had begun before.
    pub(super) steered: Vec<(usize, Fact)>,
    /// The course of each iteration.
    pub(super) courses: IndexMap<u64, Course>,
}

/// The purpose of an outcome. An evaluator may give different outcomes for different purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Use {
    Minibatch,
    Pareto,
    Validation,
}

/// The question of a reflection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReflectionKey {
    pub(super) parent: ContentId,
    pub(super) batch: Vec<ExampleId>,
    pub(super) component: String,
    pub(super) attempt: u32,
}

/// An iteration as it was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Course {
    pub(super) parents: Vec<ContentId>,
    pub(super) batch: Vec<ExampleId>,
    pub(super) child: Option<ContentId>,
    pub(super) passed: Option<bool>,
    pub(super) is_accepted: bool,
}

/// Reads decisions and records the course of each iteration.
#[derive(Debug, Default)]
pub(super) struct Courses {
    members: Vec<ContentId>,
    pub(super) by_iteration: IndexMap<u64, Course>,
}

impl Recorded {
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut recorded = Self::default();
        let mut courses = Courses::default();
        for event in events {
            match &event.body {
                EventBody::Decision(decision) => {
                    courses.take_in(decision);
                    if let Decision::TrialStarted(started) = decision
                        && Use::of(started.stage) == Use::Pareto
                    {
                        let orders = recorded.orders.entry(started.trial.iteration).or_default();
                        orders.push(started.examples.clone());
                    }
                }
                EventBody::Fact(Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled)) => {
                    recorded.keep_rollout(settled);
                }
                EventBody::Fact(
                    fact @ (Fact::CandidateInjected(_)
                    | Fact::CandidateVetoed(_)
                    | Fact::HintGiven(_)
                    | Fact::ExampleExcluded(_)),
                ) => {
                    let begun = courses.by_iteration.len();
                    recorded.steered.push((begun, fact.clone()));
                }
                EventBody::Fact(
                    Fact::ReflectionSettled(settled) | Fact::ReflectionRecalled(settled),
                ) => {
                    if let Some(key) = courses.reflection_key(settled) {
                        recorded
                            .reflections
                            .entry(key)
                            .or_insert_with(|| Arc::new((**settled).clone()));
                    }
                }
                EventBody::Fact(_) => {}
            }
        }
        recorded.courses = courses.by_iteration;
        recorded
    }

    /// The same data, where each outcome is known for every purpose.
    pub(crate) fn for_any_purpose(mut self) -> Self {
        self.any_purpose = true;
        self
    }

    /// A rollout of this candidate on this example, for this purpose if there is one.
    pub(super) fn rollout(
        &self,
        stage: Stage,
        candidate: ContentId,
        example: &ExampleId,
    ) -> Option<&Arc<RolloutSettled>> {
        let first = Use::of(stage);
        let others = [Use::Pareto, Use::Minibatch, Use::Validation];
        std::iter::once(first)
            .chain(others)
            .find_map(|used| self.rollouts.get(&(used, candidate, example.clone())))
    }

    /// The outcome bought for the same purpose by a rollout of this candidate on this example.
    /// `None` if the rollout failed for a transient reason.
    pub(crate) fn bought(
        &self,
        stage: Stage,
        candidate: ContentId,
        example: &ExampleId,
    ) -> Option<&RolloutSettled> {
        let key = (Use::of(stage), candidate, example.clone());
        let settled = if self.any_purpose {
            self.rollout(stage, candidate, example)?
        } else {
            self.rollouts.get(&key)?
        };
        match &*settled.outcome {
            Outcome::Failed(failure) if failure.kind.is_retryable() => None,
            _ => Some(settled),
        }
    }

    pub(super) fn outcome(
        &self,
        stage: Stage,
        candidate: ContentId,
        example: &ExampleId,
    ) -> Option<&Outcome> {
        self.rollout(stage, candidate, example)
            .map(|settled| &*settled.outcome)
    }

    /// The pareto examples of an iteration's row in the order in which its scores were obtained.
    /// Within each order, known outcomes come first.
    pub(super) fn obtained(&self, iteration: u64) -> Vec<&ExampleId> {
        let orders = self.orders.get(&iteration).into_iter().flatten();
        let mut obtained = Vec::new();
        for order in orders {
            let (bought, known): (Vec<_>, Vec<_>) = order
                .iter()
                .partition(|example| self.was_bought(iteration, example));
            obtained.extend(known.into_iter().chain(bought));
        }
        obtained
    }

    /// The pareto examples of an iteration's row in the order in which they were ordered.
    pub(super) fn ordered(&self, iteration: u64) -> impl Iterator<Item = &ExampleId> {
        let orders = self.orders.get(&iteration).into_iter().flatten();
        orders.flatten()
    }

    fn was_bought(&self, iteration: u64, example: &ExampleId) -> bool {
        let examples = self.bought.get(&iteration);
        examples.is_some_and(|examples| examples.contains(example))
    }

    /// Whether this iteration was a merge, whose gate has another rule.
    pub(super) fn is_merge(&self, iteration: u64) -> bool {
        let course = self.courses.get(&iteration);
        course.is_some_and(|course| course.parents.len() > 1)
    }

    pub(super) fn reflection(&self, key: &ReflectionKey) -> Option<&Arc<ReflectionSettled>> {
        self.reflections.get(key)
    }

    /// The latest outcome counts, because a repeated rollout replaces the failure before it.
    fn keep_rollout(&mut self, settled: &RolloutSettled) {
        let key = (
            Use::of(settled.stage),
            settled.candidate,
            settled.example.clone(),
        );
        if key.0 == Use::Pareto {
            let examples = self.bought.entry(settled.trial.iteration).or_default();
            examples.insert(settled.example.clone());
        }
        self.rollouts.insert(key, Arc::new(settled.clone()));
    }
}

impl Courses {
    pub(super) fn take_in(&mut self, decision: &Decision) {
        match decision {
            Decision::ProposalIssued(issued) => self.issue(issued),
            Decision::CandidateProposed(proposed) => {
                self.course(proposed.iteration).child = Some(proposed.candidate.content_id());
            }
            Decision::GateDecided(gate) => self.course(gate.iteration).passed = Some(gate.passed),
            Decision::CandidateAccepted(accepted) => {
                self.members.push(accepted.candidate);
                if accepted.iteration > 0 {
                    self.course(accepted.iteration).is_accepted = true;
                }
            }
            _ => {}
        }
    }

    /// The question of a reflection of this iteration.
    pub(super) fn key_of(
        &self,
        iteration: u64,
        component: &str,
        attempt: u32,
    ) -> Option<ReflectionKey> {
        let course = self.by_iteration.get(&iteration)?;
        Some(ReflectionKey {
            parent: *course.parents.first()?,
            batch: course.batch.clone(),
            component: component.to_owned(),
            attempt,
        })
    }

    /// The index of a member of the archive.
    pub(super) fn index_of(&self, candidate: ContentId) -> Option<CandidateIndex> {
        let position = self.members.iter().position(|member| *member == candidate);
        position.map(|position| CandidateIndex(position as u32))
    }

    fn reflection_key(&self, settled: &ReflectionSettled) -> Option<ReflectionKey> {
        self.key_of(settled.iteration, &settled.component, settled.attempt)
    }

    fn issue(&mut self, issued: &ProposalIssued) {
        let parents = issued
            .parents
            .iter()
            .filter_map(|parent| self.members.get(parent.position()).copied())
            .collect();
        let course = Course {
            parents,
            batch: issued.examples.clone(),
            ..Course::default()
        };
        self.by_iteration.insert(issued.iteration, course);
    }

    fn course(&mut self, iteration: u64) -> &mut Course {
        self.by_iteration.entry(iteration).or_default()
    }
}

impl Use {
    fn of(stage: Stage) -> Self {
        match stage {
            Stage::Seed | Stage::Pareto => Self::Pareto,
            Stage::ValidationBaseline | Stage::ValidationTopK => Self::Validation,
            _ => Self::Minibatch,
        }
    }
}

/// Every candidate's texts, by content.
pub(super) fn candidates_of(events: &[Event]) -> HashMap<ContentId, Arc<Candidate>> {
    let mut candidates = HashMap::new();
    for event in events {
        let candidate = match &event.body {
            EventBody::Decision(Decision::RunStarted(started)) => &started.seed,
            EventBody::Decision(Decision::CandidateProposed(proposed)) => &proposed.candidate,
            EventBody::Fact(Fact::CandidateInjected(injected)) => &injected.candidate,
            _ => continue,
        };
        candidates
            .entry(candidate.content_id())
            .or_insert_with(|| Arc::new(candidate.clone()));
    }
    candidates
}
