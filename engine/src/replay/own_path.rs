//! Lets other settings search on a path of their own until recorded data is missing.

use std::collections::VecDeque;
use std::sync::Arc;

use gepa_archive::ContentId;
use gepa_evaluation::ExampleId;

use super::data::{Course, Courses, Recorded};
use crate::config::Config;
use crate::core::{Core, ReflectionWork, RolloutWork, Work};
use crate::event::{
    CandidateInjected, CandidateVetoed, Fact, ReflectionSettled, RolloutSettled, RolloutsDropped,
};
use crate::ids::TrialKey;
use crate::random::source_of;
use crate::stop::StopReason;

/// The length and the result of the path under other settings.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnPath {
    /// The number of iterations begun.
    pub iterations: u64,
    /// The number of iterations, counted from the first, that were decided completely and exactly
    /// as recorded.
    pub as_recorded: u64,
    /// The number of candidates accepted besides the seed.
    pub accepted: u64,
    /// The best mean pareto score reached.
    pub best_score: Option<f64>,
    /// How the path ended.
    pub end: PathEnd,
}

/// How a path ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PathEnd {
    /// The path needed only recorded data.
    Finished(StopReason),
    /// The path needed something that the recorded run never bought.
    DataEnds {
        /// The iteration that needed it; `None` for the final scoring.
        iteration: Option<u64>,
        /// The missing data, as a text for people.
        missing: String,
    },
}

/// A core fed from records.
struct Walk<'a> {
    core: Core,
    recorded: &'a Recorded,
    courses: Courses,
    queue: VecDeque<Work>,
    /// The number of acts of people that were repeated so far.
    steered: usize,
    missing: Option<(u64, String)>,
}

impl OwnPath {
    pub(super) fn of(recorded: &Recorded, config: &Config, reuse: bool) -> Self {
        let random = source_of(config.settings());
        let mut walk = Walk {
            core: Core::start(Arc::new(config.clone()), reuse, random),
            recorded,
            courses: Courses::default(),
            queue: VecDeque::new(),
            steered: 0,
            missing: None,
        };
        walk.take_out();
        while let Some(work) = walk.queue.pop_front() {
            walk.steer();
            walk.answer(&work);
        }
        walk.conclude()
    }
}

impl Walk<'_> {
    /// Repeats what people did when as many iterations have begun as in the record.
    fn steer(&mut self) {
        while let Some((begun, fact)) = self.recorded.steered.get(self.steered)
            && *begun <= self.courses.by_iteration.len()
        {
            self.steered += 1;
            if let Some(fact) = self.on_this_path(fact) {
                self.core.settle(&fact);
                self.take_out();
            }
        }
    }

    /// On another path a candidate may have another index, or may not exist.
    fn on_this_path(&self, fact: &Fact) -> Option<Fact> {
        match fact {
            Fact::CandidateVetoed(vetoed) => Some(Fact::CandidateVetoed(CandidateVetoed {
                candidate: self.courses.index_of(vetoed.content)?,
                ..vetoed.clone()
            })),
            Fact::CandidateInjected(injected) => {
                // The best candidate of this path takes the place of the parent that was named.
                let parent = None;
                Some(Fact::CandidateInjected(CandidateInjected {
                    parent,
                    ..injected.clone()
                }))
            }
            other => Some(other.clone()),
        }
    }

    fn answer(&mut self, work: &Work) {
        let (iteration, fact) = match work {
            Work::Rollout(work) => (work.trial.iteration, self.rollout(work)),
            Work::Reflection(work) => (work.iteration, self.reflection(work)),
            Work::DropQueued | Work::DropTrial(_) | Work::Move(..) => return,
        };
        match fact {
            Ok(fact) => {
                self.core.settle(&fact);
                self.take_out();
            }
            Err(what) => {
                let is_first = self
                    .missing
                    .as_ref()
                    .is_none_or(|(first, _)| iteration < *first);
                if is_first {
                    self.missing = Some((iteration, what));
                }
            }
        }
    }

    fn take_out(&mut self) {
        for decision in self.core.take_decisions() {
            self.courses.take_in(&decision);
        }
        for work in self.core.take_work() {
            match work {
                Work::DropQueued => self.queue.clear(),
                Work::DropTrial(trial) => self.drop_trial(trial),
                work => self.queue.push_back(work),
            }
        }
    }

    /// Removes the rest of a trial from the queue, as a run with a single slot would.
    fn drop_trial(&mut self, trial: TrialKey) {
        let mut positions = Vec::new();
        self.queue.retain(|work| match work {
            Work::Rollout(rollout) if rollout.trial == trial => {
                positions.push(rollout.position as u32);
                false
            }
            _ => true,
        });
        if !positions.is_empty() {
            let dropped = RolloutsDropped { trial, positions };
            self.core.settle(&Fact::RolloutsDropped(dropped));
            self.take_out();
        }
    }

    fn rollout(&self, work: &RolloutWork) -> Result<Fact, String> {
        let candidate = work.candidate.content_id();
        let known = self.recorded.rollout(work.stage, candidate, &work.example);
        let Some(known) = known else {
            return Err(format!(
                "no rollout of {} on example {} was recorded",
                self.name(candidate),
                work.example
            ));
        };
        Ok(Fact::RolloutSettled(Box::new(RolloutSettled {
            trial: work.trial,
            stage: work.stage,
            position: work.position as u32,
            again: work.again,
            ..(**known).clone()
        })))
    }

    fn reflection(&self, work: &ReflectionWork) -> Result<Fact, String> {
        let key = self
            .courses
            .key_of(work.iteration, &work.component, work.attempt);
        let known = key.as_ref().and_then(|key| self.recorded.reflection(key));
        let Some(known) = known else {
            let asked = key.map(|key| (self.name(key.parent), listed(&key.batch)));
            let (parent, batch) = asked.unwrap_or_default();
            return Err(format!(
                "no reflection on `{}` of {parent} after examples {batch} was recorded",
                work.component
            ));
        };
        Ok(Fact::ReflectionSettled(Box::new(ReflectionSettled {
            iteration: work.iteration,
            ..(**known).clone()
        })))
    }

    /// Names a candidate for people: by its index, or as the child of an iteration.
    fn name(&self, candidate: ContentId) -> String {
        if let Some(index) = self.courses.index_of(candidate) {
            return format!("candidate {index}");
        }
        let mut courses = self.courses.by_iteration.iter();
        let child = courses.find(|(_, course)| course.child == Some(candidate));
        child.map_or_else(
            || format!("candidate {candidate}"),
            |(iteration, _)| format!("the child of iteration {iteration}"),
        )
    }

    fn conclude(self) -> OwnPath {
        let archive = self.core.archive();
        let as_recorded = self
            .courses
            .by_iteration
            .iter()
            .take_while(|(iteration, course)| self.recorded.has_course(**iteration, course))
            .count();
        let best = archive.best().and_then(|best| archive.get(best));
        let end = match (self.core.is_finished(), self.missing) {
            (false, Some((iteration, missing))) => PathEnd::DataEnds {
                iteration: (!self.core.is_validating()).then_some(iteration),
                missing,
            },
            _ => PathEnd::Finished(
                self.core
                    .stop_reason()
                    .cloned()
                    .unwrap_or(StopReason::Requested),
            ),
        };
        OwnPath {
            iterations: self.courses.by_iteration.len() as u64,
            as_recorded: as_recorded as u64,
            accepted: archive.len().saturating_sub(1) as u64,
            best_score: best.map(|entry| entry.mean),
            end,
        }
    }
}

impl Recorded {
    fn has_course(&self, iteration: u64, course: &Course) -> bool {
        self.courses.get(&iteration) == Some(course)
    }
}

fn listed(examples: &[ExampleId]) -> String {
    let names: Vec<String> = examples.iter().map(ToString::to_string).collect();
    names.join(", ")
}
