//! A new run that begins at an iteration of an earlier run.

use std::sync::Arc;

use super::builder::RunBuilder;
use super::error::RunError;
use super::handle::RunHandle;
use crate::config::{Config, Settings};
use crate::core::Core;
use crate::event::{Decision, Event, EventBody, Fact, RunOrigin, RunStarted, SettingsChanged};
use crate::ids::{RunId, Seq, Timestamp};
use crate::policy::Policies;
use crate::random::source_of;
use crate::record::RunRow;
use crate::replay::{follow_with, read_all};
use crate::store::Store;

/// The point of an earlier run at which a new run begins.
#[derive(Clone, Debug)]
pub struct BranchPoint {
    /// The earlier run. Both runs are in the same store.
    pub run: RunId,
    /// The last iteration that both runs share; 0 for the scores of the seed alone. `None` for the
    /// last one that the earlier run began. A generation that has begun is shared as a whole.
    pub iteration: Option<u64>,
    /// The configuration that the earlier run was started with.
    pub config: Config,
}

impl RunBuilder {
    /// Begins a new run at an iteration of an earlier run, under the settings of this builder.
    ///
    /// The journal of the new run holds the shared part as facts and decisions of its own. Outcomes
    /// that the earlier run bought are known and are not executed again: no rollout of the shared
    /// part, and later no rollout of a candidate on an example that the earlier run has an outcome
    /// of. Counters, tokens and cost of the new run begin at 0; `max_rollouts`,
    /// `max_reflection_calls`, `max_iterations` and `max_candidates` count the shared part as well.
    ///
    /// Random draws come from the source that the settings name. The evaluator must be the one of the earlier run;
    /// otherwise the scores of both runs cannot be compared.
    ///
    /// # Errors
    ///
    /// [`RunError::OtherTask`] names the part that differs and must not: seed candidate, example
    /// sets, or the rules of the archive. [`RunError::NoSuchIteration`] and [`RunError::Diverged`]
    /// concern the earlier run.
    pub async fn branch(self, point: BranchPoint) -> Result<RunHandle, RunError> {
        // The steps of a resumption make a large future.
        Box::pin(self.begin_branch(point)).await
    }

    /// Stores a branch without starting it; [`resume`](Self::resume) takes it up. The rest is as in
    /// [`branch`](Self::branch).
    ///
    /// # Errors
    ///
    /// Those of [`branch`](Self::branch).
    pub async fn create_branch(self, point: BranchPoint) -> Result<RunId, RunError> {
        let stored = self.new_run(&point)?;
        // The steps of a replay make a large future.
        Box::pin(stored.branch(point)).await
    }

    async fn begin_branch(self, point: BranchPoint) -> Result<RunHandle, RunError> {
        let run_id = self.new_run(&point)?.branch(point).await?;
        self.resume(run_id).await
    }

    fn new_run(&self, point: &BranchPoint) -> Result<NewRun, RunError> {
        let config = self.config().clone();
        check_kept(&point.config, &config)?;
        Ok(NewRun {
            config,
            store: self.stored_in()?,
            row: self.run_row()?,
            reuse: self.reuses_outcomes()?,
        })
    }
}

/// A run that is not stored yet.
struct NewRun {
    config: Config,
    store: Arc<dyn Store>,
    row: RunRow,
    reuse: bool,
}

impl NewRun {
    /// Stores it with the part that it shares with another run.
    async fn branch(self, point: BranchPoint) -> Result<RunId, RunError> {
        let Self {
            config,
            store,
            row,
            reuse,
        } = self;
        let events = read_all(&*store, &point.run).await?;
        let last = last_iteration(&events);
        let iteration = point.iteration.unwrap_or(last);
        if iteration > last {
            return Err(RunError::NoSuchIteration { iteration, last });
        }
        follow_with(&events, &point.config, reuse)?;
        let origin = RunOrigin {
            seq: events.last().map_or(Seq(0), |event| event.seq),
            run: point.run,
            iteration,
        };
        let shared = Shared::of(&events, &point.config, reuse, origin)?;
        let bodies = shared.go_on_under(config.settings());
        let at = Timestamp::now();
        let journal = bodies.into_iter().zip(1..).map(|(body, seq)| Event {
            seq: Seq(seq),
            at,
            body,
        });
        let run_id = row.run_id.clone();
        store.create_run(row).await?;
        let claim = store.claim(&run_id).await?;
        let token = claim.token();
        store.append(token, Seq(0), journal.collect()).await?;
        drop(claim);
        Ok(run_id)
    }
}

/// The parts that must be equal; otherwise the shared part would mean nothing in the new run.
fn check_kept(before: &Config, after: &Config) -> Result<(), RunError> {
    let (old, new) = (&before.settings().search, &after.settings().search);
    let all = [
        (before.seed() == after.seed(), "the seed candidate"),
        (before.sets() == after.sets(), "an example set"),
        (old.evaluation == new.evaluation, "`search.evaluation`"),
        (
            old.growing.order == new.growing.order,
            "`search.growing.order`",
        ),
        (old.frontier == new.frontier, "`search.frontier`"),
        (
            old.archive_max_size == new.archive_max_size,
            "`search.archive_max_size`",
        ),
        (
            old.archive_min_score == new.archive_min_score,
            "`search.archive_min_score`",
        ),
        (old.duplicates == new.duplicates, "`search.duplicates`"),
        (
            old.reuse_outcomes == new.reuse_outcomes,
            "`search.reuse_outcomes`",
        ),
    ];
    match all.into_iter().find(|(is_kept, _)| !is_kept) {
        None => Ok(()),
        Some((_, what)) => Err(RunError::OtherTask {
            what: what.to_owned(),
        }),
    }
}

fn last_iteration(events: &[Event]) -> u64 {
    let issued = events.iter().filter_map(|event| match &event.body {
        EventBody::Decision(Decision::ProposalIssued(issued)) => Some(issued.iteration),
        _ => None,
    });
    issued.max().unwrap_or_default()
}

/// The shared part of a journal, up to the last fact pushed.
struct Shared {
    core: Core,
    bodies: Vec<EventBody>,
}

impl Shared {
    fn of(
        events: &[Event],
        config: &Config,
        reuse: bool,
        origin: RunOrigin,
    ) -> Result<Self, RunError> {
        let started = events.iter().find_map(|event| match &event.body {
            EventBody::Decision(Decision::RunStarted(started)) => Some((**started).clone()),
            _ => None,
        });
        let Some(started) = started else {
            return Err(RunError::NoSuchIteration {
                iteration: origin.iteration,
                last: 0,
            });
        };
        let iteration = origin.iteration;
        let mut points = started.branch_points.clone();
        points.retain(|point| *point < iteration);
        points.push(iteration);
        let started = RunStarted {
            limits: Some(started.limits.unwrap_or(config.settings().budget.clone())),
            settings: Some(
                started
                    .settings
                    .unwrap_or_else(|| Box::new(config.settings().clone())),
            ),
            origin: Some(origin),
            branch_points: points,
            ..started
        };
        let random = source_of(config.settings());
        let config = Arc::new(config.clone());
        let mut shared = Self {
            core: Core::new(config, reuse, random, Policies::new()),
            bodies: Vec::new(),
        };
        shared.core.begin_as(&started);
        shared.recall_answers(events, iteration);
        shared.core.begin();
        let begun = shared.bodies.len();
        shared.take_decisions();
        // A core's first decision is to start.
        if let Some(first) = shared.bodies.get_mut(begun) {
            *first = Decision::RunStarted(Box::new(started)).into();
        }
        for event in events {
            if let EventBody::Fact(fact) = &event.body
                && let Some(fact) = shared.own(fact)
            {
                shared.push(fact);
            }
        }
        Ok(shared)
    }

    /// The journal up to the point where the new settings apply.
    fn go_on_under(mut self, settings: &Settings) -> Vec<EventBody> {
        let settings = settings.clone();
        self.push(Fact::SettingsChanged(Box::new(SettingsChanged {
            settings,
        })));
        self.bodies
    }

    /// The answer of a foreign policy must be known before its question comes.
    fn recall_answers(&mut self, events: &[Event], last: u64) {
        for event in events {
            if let EventBody::Fact(Fact::PolicyDecided(decided)) = &event.body
                && decided.iteration <= last
            {
                self.core.recall(decided);
                self.bodies.push(event.body.clone());
            }
        }
    }

    /// A fact of the earlier run in the form of the new run; `None` for facts that do not belong to
    /// the shared part.
    fn own(&self, fact: &Fact) -> Option<Fact> {
        let is_held = self.core.is_held() && self.core.branch_points() == 1;
        let is_shared = |iteration| iteration < self.core.next_iteration();
        match fact {
            Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled) => {
                let is_wanted = if self.core.is_validating() {
                    !is_held
                } else {
                    is_shared(settled.trial.iteration)
                };
                is_wanted.then(|| Fact::RolloutRecalled(Box::new((**settled).clone().for_free())))
            }
            Fact::ReflectionSettled(settled) | Fact::ReflectionRecalled(settled) => {
                is_shared(settled.iteration)
                    .then(|| Fact::ReflectionRecalled(Box::new((**settled).clone().for_free())))
            }
            Fact::RolloutsDropped(dropped) => {
                is_shared(dropped.trial.iteration).then(|| fact.clone())
            }
            Fact::RunResumed(_) => Some(fact.clone()),
            Fact::CandidateInjected(_)
            | Fact::CandidateVetoed(_)
            | Fact::HintGiven(_)
            | Fact::ExampleExcluded(_)
            | Fact::StopRequested(_)
            | Fact::LimitsChanged(_)
            | Fact::SettingsChanged(_) => (!is_held).then(|| fact.clone()),
            _ => None,
        }
    }

    fn push(&mut self, fact: Fact) {
        self.core.settle(&fact);
        self.bodies.push(fact.into());
        self.take_decisions();
    }

    fn take_decisions(&mut self) {
        let decisions = self.core.take_decisions();
        self.bodies
            .extend(decisions.into_iter().map(EventBody::from));
        self.core.take_work();
    }
}
