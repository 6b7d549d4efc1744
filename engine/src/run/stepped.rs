//! A run whose caller carries out the orders itself, in its own thread and its own time.
//!
//! [`Run::builder`](super::Run::builder) calls evaluators and proposers from tasks of its own. A host
//! that can only be called on the thread that it chose, such as an interpreter, takes orders instead
//! and returns their results. Everything else is the same: the core decides, and every fact and
//! decision is in the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gepa_archive::Archive;
use gepa_evaluation::{EvaluatorInfo, Outcome, Usage};

use super::builder::check_budget;
use super::error::RunError;
use super::journal::Journal;
use super::open_rollouts::OpenRollouts;
use super::orders::{Order, ReflectionOrder, Rewritten, TrialOrder};
use super::replay::Replay;
use super::resumption::{check_examples, check_start, limits_changed};
use super::row::run_row;
use super::starting::first_facts;
use crate::config::Config;
use crate::core::{Core, ReflectionWork, RolloutWork, Work};
use crate::counters::Counters;
use crate::event::{
    Decision, Event, EventBody, Fact, ReflectionSettled, RolloutSettled, RolloutsDropped,
    RunInterrupted, RunResumed, SteeredBy, StopRequested,
};
use crate::ids::{RunId, Seq, Timestamp, TrialKey};
use crate::pages::EventPages;
use crate::policy::Policies;
use crate::random::source_of;
use crate::reflection::TextRules;
use crate::stop::StopReason;
use crate::store::{Claim, Store};

/// What a stepped run consists of.
pub struct Steps {
    /// The configuration.
    pub config: Config,
    /// Policies that replace the configured ones. They are asked on the caller's thread.
    pub policies: Policies,
    /// The store that holds everything about the run.
    pub store: Arc<dyn Store>,
    /// The run's id.
    pub run_id: RunId,
    /// The configuration as its author wrote it, without secrets.
    pub described: serde_json::Value,
    /// What evaluates, for records.
    pub info: EvaluatorInfo,
    /// Whether each generation waits for [`SteppedRun::request_generation`].
    pub paced: bool,
    /// Whether facts and decisions are kept for the store. Without it they are dropped once they are taken in.
    pub journaled: bool,
}

/// A run that gives out orders and takes results.
///
/// **The caller** takes orders, carries each out once, and returns its result; in any order. It calls
/// [`commit`](Self::commit) before it carries out orders that cost something, so that what was bought
/// before is stored by then. After a commit that failed it drops the run.
pub struct SteppedRun {
    core: Core,
    journal: Journal,
    /// Keeps this process the run's only writer, until it is given up.
    claim: Option<Claim>,
    run_id: RunId,
    open: OpenRollouts,
    /// What the texts of open reflections must satisfy, where the configuration demands something.
    demands: BTreeMap<(u64, String), TextRules>,
    orders: Vec<Order>,
    decisions: Vec<Decision>,
    history: Vec<Event>,
}

impl SteppedRun {
    /// Stores a new run and decides to evaluate its seed.
    pub async fn start(steps: Steps) -> Result<Self, RunError> {
        check_budget(&steps.config, &steps.policies)?;
        let starts = first_facts(&*steps.store, &steps.config).await?;
        let run = run_row(
            steps.run_id.clone(),
            &steps.config,
            &steps.described,
            steps.info.clone(),
        );
        steps.store.create_run(run).await?;
        let claim = steps.store.claim(&steps.run_id).await?;
        let (run_id, paced) = (steps.run_id.clone(), steps.paced);
        let mut journal = Journal::new(Arc::clone(&steps.store), claim.token().clone(), Seq(0));
        if !steps.journaled {
            journal.forget();
        }
        let mut core = steps.core();
        if paced {
            core.wait_for_requests();
        }
        core.begin();
        let mut run = Self::new(core, journal, claim, run_id);
        run.decide();
        for fact in starts {
            run.take_in(fact);
        }
        Ok(run)
    }

    /// Goes on with a stored run where its journal ends.
    ///
    /// # Errors
    ///
    /// As [`RunBuilder::resume`](super::RunBuilder::resume).
    pub async fn resume(steps: Steps) -> Result<Self, RunError> {
        let (store, run_id) = (Arc::clone(&steps.store), steps.run_id.clone());
        let (config, paced) = (steps.config.clone(), steps.paced);
        let claim = store.claim(&run_id).await?;
        let stored = store.run(&run_id).await?;
        check_examples(&stored, &config)?;
        let core = steps.core();
        let mut began_with = core.limits().clone();
        let mut replay = Replay::new(core);
        let mut history: Vec<Event> = Vec::new();
        let mut pages = EventPages::of(&*store, &run_id);
        while let Some(page) = pages.next().await? {
            for event in &page {
                if let EventBody::Decision(Decision::RunStarted(started)) = &event.body {
                    check_start(started, &config)?;
                    began_with = started.limits.clone().unwrap_or(began_with);
                }
                replay.take_in(event)?;
            }
            history.extend(page);
        }
        let (core, pending) = replay.finish();
        let last = pages.last();
        let journal = Journal::new(Arc::clone(&store), claim.token().clone(), last);
        let mut run = Self::new(core, journal, claim, run_id);
        if paced {
            run.core.wait_for_requests();
        }
        run.history = history;
        for body in pending {
            run.note(body);
        }
        let limits = run.core.limits();
        let wanted = limits.with_changes(&began_with, &config.settings().budget);
        if wanted != *limits {
            run.core
                .check_limits(&wanted, stored.summary.active_seconds)?;
            let changed = limits_changed(&run.core, wanted, SteeredBy::default());
            run.take_in(changed);
        }
        if !run.is_finished() {
            let engine_version = env!("CARGO_PKG_VERSION").to_owned();
            run.take_in(Fact::RunResumed(RunResumed { engine_version }));
            run.orders.clear();
            run.open.clear();
            let outstanding = run.core.outstanding();
            run.order(outstanding);
        }
        Ok(run)
    }

    fn new(core: Core, journal: Journal, claim: Claim, run_id: RunId) -> Self {
        Self {
            core,
            journal,
            claim: Some(claim),
            run_id,
            open: OpenRollouts::default(),
            demands: BTreeMap::new(),
            orders: Vec::new(),
            decisions: Vec::new(),
            history: Vec::new(),
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// The journal that a resumed run was rebuilt from; empty after the first call.
    pub fn take_history(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.history)
    }

    /// The orders given since the last call, in order.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// The decisions made since the last call, in order.
    pub fn take_decisions(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.decisions)
    }

    /// Returns the outcome of one rollout of an order. Returns whether the run waited for it.
    pub fn settle(
        &mut self,
        trial: TrialKey,
        position: u32,
        outcome: Outcome,
        usage: Usage,
    ) -> bool {
        let Some(open) = self.open.take(trial, position) else {
            return false;
        };
        let (stage, candidate, outcome) = (open.stage, open.candidate, outcome.checked());
        self.take_in(Fact::RolloutSettled(Box::new(RolloutSettled {
            again: open.again,
            started_at: open.since,
            finished_at: Timestamp::now(),
            usage,
            ..RolloutSettled::new(trial, stage, candidate, position, open.example, outcome)
        })));
        true
    }

    /// Adds a trace to an outcome that is not stored yet. Returns whether there was one.
    pub fn add_trace(&mut self, trial: TrialKey, position: u32, trace: serde_json::Value) -> bool {
        let settled = self
            .journal
            .unwritten()
            .iter_mut()
            .rev()
            .find_map(|event| match &mut event.body {
                EventBody::Fact(Fact::RolloutSettled(settled))
                    if settled.trial == trial && settled.position == position =>
                {
                    Some(settled)
                }
                _ => None,
            });
        match settled.map(|settled| Arc::make_mut(&mut settled.outcome)) {
            Some(Outcome::Scored(scored)) => {
                scored.trace = Some(trace);
                true
            }
            _ => false,
        }
    }

    /// Returns the answer to a reflection. A text that breaks a rule of `texts.NAME` is refused, and the
    /// journal says why.
    pub fn settle_reflection(
        &mut self,
        iteration: u64,
        component: &str,
        attempt: u32,
        answer: Rewritten,
    ) {
        let rules = self.demands.remove(&(iteration, component.to_owned()));
        let checked = answer.text.and_then(|text| {
            rules.map_or(Ok(()), |rules| rules.check(&text))?;
            Ok(text)
        });
        let (text, failure) = match checked {
            Ok(text) => (Some(text), None),
            Err(failure) => (None, Some(failure)),
        };
        self.take_in(Fact::ReflectionSettled(Box::new(ReflectionSettled {
            iteration,
            component: component.to_owned(),
            attempt,
            started_at: answer.since,
            finished_at: Timestamp::now(),
            usage: answer.usage,
            messages: Vec::new(),
            reply: answer.reply,
            text,
            alternatives: Vec::new(),
            failure,
            overlong: None,
            refused_texts: Vec::new(),
            copying: 0,
        })));
    }

    /// Asks a paced run for its next generation. Nothing follows while one is open.
    pub fn request_generation(&mut self) {
        self.core.request_generation();
        self.decide();
    }

    /// Ends the search; what is in flight is dropped. The final scoring may follow.
    pub fn stop(&mut self, reason: StopReason) {
        self.take_in(Fact::StopRequested(StopRequested {
            reason,
            by: SteeredBy::default(),
        }));
    }

    /// Notes in the journal why this process leaves the run, which can be resumed. A run that is over stays so.
    pub fn interrupt(&mut self, reason: impl Into<String>) {
        if self.core.is_finished() {
            return;
        }
        let reason = reason.into();
        self.take_in(Fact::RunInterrupted(RunInterrupted {
            reason,
            provider_down: false,
            goes_on_at: None,
        }));
    }

    /// Stores everything noted so far.
    pub async fn commit(&mut self) -> Result<(), RunError> {
        loop {
            self.journal.write();
            if !self.journal.is_writing() {
                return Ok(());
            }
            self.journal.written().await?;
        }
    }

    /// Gives up the claim, so that another process can take it. What was committed stays, and nothing
    /// more is to be committed.
    pub fn release(&mut self) {
        self.claim = None;
    }

    /// Whether the run is over.
    pub fn is_finished(&self) -> bool {
        self.core.is_finished()
    }

    /// Why the search ended; `None` while it goes on.
    pub fn stop_reason(&self) -> Option<&StopReason> {
        self.core.stop_reason()
    }

    /// The archive after all decisions so far.
    pub fn archive(&self) -> &Archive {
        self.core.archive()
    }

    /// The run's counters.
    pub fn counters(&self) -> &Counters {
        self.core.counters()
    }

    fn take_in(&mut self, fact: Fact) {
        self.take_in_body(fact.into());
    }

    fn take_in_body(&mut self, body: EventBody) {
        if let EventBody::Fact(fact) = &body {
            self.core.settle(fact);
        }
        self.journal.push(body);
        self.decide();
    }

    fn note(&mut self, body: EventBody) {
        if let EventBody::Decision(decision) = &body {
            self.decisions.push(decision.clone());
        }
        self.journal.push(body);
    }

    fn decide(&mut self) {
        for answer in self.core.take_answers() {
            self.journal.push(answer);
        }
        for decision in self.core.take_decisions() {
            self.note(decision.into());
        }
        let orders = self.core.take_work();
        self.order(orders);
        if self.core.has_failed()
            && let Some(reason) = self.core.stop_reason().cloned()
        {
            self.stop(reason);
        }
    }

    fn order(&mut self, orders: Vec<Work>) {
        if orders.is_empty() {
            return;
        }
        let now = Timestamp::now();
        for order in orders {
            match order {
                Work::Rollout(work) => self.order_rollout(work, now),
                Work::Reflection(work) => self.order_reflection(*work),
                Work::DropQueued => {
                    self.open.clear();
                    self.orders.clear();
                }
                Work::DropTrial(trial) => self.drop_trial(trial),
                Work::Move(..) => {}
            }
        }
    }

    fn order_reflection(&mut self, work: ReflectionWork) {
        if let Some(demands) = work.rules.demanded() {
            let key = (work.iteration, work.component.to_string());
            self.demands.insert(key, demands);
        }
        self.orders.push(Order::Reflection(ReflectionOrder {
            iteration: work.iteration,
            component: work.component,
            attempt: work.attempt,
            candidate: work.candidate,
            outcomes: work
                .records
                .into_iter()
                .map(|one| (one.example, one.scored))
                .collect(),
        }));
    }

    fn order_rollout(&mut self, work: RolloutWork, since: Timestamp) {
        let (trial, position) = (work.trial, work.position as u32);
        let rollout = (position, work.example.clone());
        match self.orders.last_mut() {
            Some(Order::Trial(order)) if order.trial == trial => order.rollouts.push(rollout),
            _ => self.orders.push(Order::Trial(TrialOrder {
                trial,
                stage: work.stage,
                candidate: Arc::clone(&work.candidate),
                rollouts: vec![rollout],
            })),
        }
        self.open.insert(work, since);
    }

    /// Orders that the caller has not taken yet are withdrawn; those it has go on.
    fn drop_trial(&mut self, trial: TrialKey) {
        let mut positions = Vec::new();
        self.orders.retain(|order| match order {
            Order::Trial(order) if order.trial == trial => {
                positions.extend(order.rollouts.iter().map(|(position, _)| *position));
                false
            }
            _ => true,
        });
        if positions.is_empty() {
            return;
        }
        self.open.withdraw(trial, &positions);
        self.take_in(Fact::RolloutsDropped(RolloutsDropped { trial, positions }));
    }
}

impl Steps {
    fn core(self) -> Core {
        let reuse = self
            .config
            .settings()
            .search
            .reuse_outcomes
            .unwrap_or(false);
        let random = source_of(self.config.settings());
        Core::new(Arc::new(self.config), reuse, random, self.policies)
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Steps")
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SteppedRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SteppedRun")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}
