//! Assembles a run from its parts.

use std::fmt;
use std::sync::Arc;

use gepa_evaluation::{Evaluator, LanguageModel, Proposer};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tracing::Instrument;

use super::dispatch::Dispatcher;
use super::driver::{Clock, Driver};
use super::error::RunError;
use super::handle::{RunControl, RunHandle};
use super::journal::Journal;
use super::known::{known_by, sort_out};
use super::limits_watch::LimitsWatch;
use super::replay::Replay;
use super::result::{RunEnd, RunResult, read_result};
use super::resumption::{check_examples, check_start, limits_changed, origins_of};
use super::row::run_row;
use super::spend::SpendLimiter;
use super::starting::first_facts;
use super::trouble::{Opening, Trouble, TroubleWatch};
use crate::config::{BudgetSettings, Config};
use crate::core::{Core, Work};
use crate::event::{Decision, Event, EventBody, Fact, RunResumed, SteeredBy};
use crate::ids::{RunId, Seq, Timestamp};
use crate::pages::EventPages;
use crate::policy::Policies;
use crate::random::{RandomSource, source_of};
use crate::record::{RunRow, RunSummary};
use crate::reflection::ModelProposer;
use crate::replay::Recorded;
use crate::store::{Claim, Store};

/// The number of batches a subscriber may fall behind before it loses the oldest.
const SUBSCRIBER_BACKLOG: usize = 1_024;
/// Assembles a run from a [`Config`], a store, an evaluator, and a proposer.
#[must_use = "a builder does nothing until it is started"]
pub struct RunBuilder {
    config: Config,
    described: serde_json::Value,
    store: Option<Arc<dyn Store>>,
    evaluator: Option<Arc<dyn Evaluator>>,
    writer: Option<Writer>,
    events: broadcast::Sender<Arc<[Event]>>,
    random: Option<Box<dyn RandomSource>>,
    policies: Policies,
    run_id: Option<RunId>,
    began_with: Option<BudgetSettings>,
    pub(super) knowing: Vec<RunId>,
}

/// The part that rewrites components.
enum Writer {
    Model(Arc<dyn LanguageModel>),
    Proposer(Arc<dyn Proposer>),
}

/// Entry point: [`Run::builder`].
#[derive(Debug)]
pub struct Run;

impl Run {
    /// Begins the builder of a run with this configuration.
    pub fn builder(config: Config) -> RunBuilder {
        RunBuilder {
            config,
            described: serde_json::Value::Null,
            store: None,
            evaluator: None,
            writer: None,
            events: broadcast::channel(SUBSCRIBER_BACKLOG).0,
            random: None,
            policies: Policies::new(),
            run_id: None,
            began_with: None,
            knowing: Vec::new(),
        }
    }
}

impl RunBuilder {
    /// The store that holds everything about the run.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The evaluator, which runs candidates on examples.
    pub fn evaluator(mut self, evaluator: Arc<dyn Evaluator>) -> Self {
        self.evaluator = Some(evaluator);
        self
    }

    /// The language model that rewrites components, with the reflection prompts of the
    /// configuration. It replaces a [`proposer`](Self::proposer) given before.
    pub fn reflection_model(mut self, model: Arc<dyn LanguageModel>) -> Self {
        self.writer = Some(Writer::Model(model));
        self
    }

    /// A proposer that rewrites components, instead of a reflection model.
    pub fn proposer(mut self, proposer: Arc<dyn Proposer>) -> Self {
        self.writer = Some(Writer::Proposer(proposer));
        self
    }

    /// Subscribes to batches of events from the first event on. Each batch is stored before a
    /// subscriber sees it; see [`RunHandle::subscribe`].
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    /// The source of randomness, instead of `ChaCha` streams of the configured seed.
    pub fn random(mut self, random: Box<dyn RandomSource>) -> Self {
        self.random = Some(random);
        self
    }

    /// Policies that replace the configured ones.
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// The run's id, instead of a new one.
    pub fn run_id(mut self, run_id: RunId) -> Self {
        self.run_id = Some(run_id);
        self
    }

    /// The configuration as its author wrote it. It is stored with the run and must hold no
    /// secrets.
    pub fn described_as(mut self, config: serde_json::Value) -> Self {
        self.described = config;
        self
    }

    /// The limits that a run to be resumed began with. They count only if the journal does not hold
    /// them, as in journals of versions before 0.2. By default they are the configuration's limits.
    pub fn began_with(mut self, limits: BudgetSettings) -> Self {
        self.began_with = Some(limits);
        self
    }

    /// Runs of the same store whose outcomes this run knows. A rollout of a candidate on an example
    /// of which one of them has an outcome is not executed; the outcome is journaled as recalled.
    ///
    /// Their evaluator must be the one of this run; otherwise the scores cannot be compared. It
    /// holds for a run that is [started](Self::start). A run that is resumed executes what it had
    /// not recalled before.
    pub fn knowing(mut self, runs: impl IntoIterator<Item = RunId>) -> Self {
        self.knowing.extend(runs);
        self
    }

    /// Stores the run and starts it.
    pub async fn start(mut self) -> Result<RunHandle, RunError> {
        check_budget(&self.config, &self.policies)?;
        let knowing = std::mem::take(&mut self.knowing);
        let (mut parts, beginning) = self.into_parts()?;
        parts.origins = known_by(&*parts.store, &knowing).await?;
        let starts = first_facts(&*parts.store, &parts.config).await?;
        let run = parts.run_row();
        parts.store.create_run(run.clone()).await?;
        let claim = parts.store.claim(&run.run_id).await?;
        let mut core = beginning.core();
        core.declare_scores(parts.evaluator.score_range());
        core.begin();
        let answers = core.take_answers().into_iter().map(EventBody::Fact);
        let decisions = answers.chain(core.take_decisions().into_iter().map(EventBody::Decision));
        let mut pending: Vec<EventBody> = decisions.collect();
        pending.extend(starts.into_iter().map(EventBody::Fact));
        let orders = core.take_work();
        Ok(parts.launch(core, claim, &run.summary, pending, orders, false))
    }

    /// Stores the run without starting it; [`resume`](Self::resume) begins it.
    pub async fn create(self) -> Result<RunRow, RunError> {
        check_budget(&self.config, &self.policies)?;
        let (parts, _) = self.into_parts()?;
        let run = parts.run_row();
        parts.store.create_run(run.clone()).await?;
        Ok(run)
    }

    /// Resumes a stored run where its journal ends, even if it holds no event yet. A run that is
    /// over returns its stored result.
    ///
    /// The configuration must be the one the run was started with, except for `budget`. Limits that
    /// differ from those the run began with replace the limits in force, as a fact in the journal.
    /// A run that is over goes on if the new limits allow it.
    ///
    /// # Errors
    ///
    /// [`RunError::LimitBelowSpent`], [`RunError::Over`] and [`RunError::StillOver`] say why the
    /// limits cannot be changed. [`RunError::OtherTask`] says that the seed or the examples differ.
    /// [`RunError::Diverged`] says that a replayed decision differs from the stored one. In all
    /// these cases nothing is written.
    pub async fn resume(mut self, run_id: RunId) -> Result<RunHandle, RunError> {
        let began_with = self.began_with.take();
        self.run_id = Some(run_id.clone());
        let (mut parts, beginning) = self.into_parts()?;
        let claim = parts.store.claim(&run_id).await?;
        let run = parts.store.run(&run_id).await?;
        check_examples(&run, &parts.config)?;
        let mut core = beginning.core();
        core.declare_scores(parts.evaluator.score_range());
        if let (Some(limits), true) = (&began_with, run.summary.seq > Seq(0)) {
            core.limit_to(limits.clone());
        }
        let mut began_with = core.limits().clone();
        let mut replay = Replay::new(core);
        let mut pages = EventPages::of(&*parts.store, &run_id);
        let mut origin = None;
        while let Some(page) = pages.next().await? {
            for event in &page {
                if let EventBody::Decision(Decision::RunStarted(started)) = &event.body {
                    check_start(started, &parts.config)?;
                    began_with = started.limits.clone().unwrap_or(began_with);
                    origin.clone_from(&started.origin);
                } else if let EventBody::Fact(Fact::SettingsChanged(changed)) = &event.body {
                    began_with = changed.settings.budget.clone();
                }
                replay.take_in(event)?;
            }
        }
        let last = pages.last();
        let (mut core, mut pending) = replay.finish();
        if last == Seq(0) {
            let starts = first_facts(&*parts.store, &parts.config).await?;
            pending.extend(starts.into_iter().map(EventBody::Fact));
            let orders = core.take_work();
            return Ok(parts.launch(core, claim, &run.summary, pending, orders, false));
        }
        let wanted = core
            .limits()
            .with_changes(&began_with, &parts.config.settings().budget);
        let changes = wanted != *core.limits();
        if changes {
            core.check_limits(&wanted, run.summary.active_seconds)?;
            pending.push(limits_changed(&core, wanted, SteeredBy::default()).into());
        }
        let going_on = !core.is_finished() || !pending.is_empty();
        if going_on {
            let engine_version = env!("CARGO_PKG_VERSION").to_owned();
            let resumed = Fact::RunResumed(RunResumed { engine_version });
            // The resumption follows the last event directly, so that the gap does not count as
            // working time.
            pending.insert(0, resumed.into());
            parts.origins = origins_of(&*parts.store, origin).await?;
        }
        Ok(parts.launch(core, claim, &run.summary, pending, Vec::new(), going_on))
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn stored_in(&self) -> Result<Arc<dyn Store>, RunError> {
        self.store.clone().ok_or(RunError::Incomplete("store"))
    }

    pub(super) fn reuses_outcomes(&self) -> Result<bool, RunError> {
        let evaluator = self
            .evaluator
            .as_ref()
            .ok_or(RunError::Incomplete("evaluator"))?;
        let reuse = self.config.settings().search.reuse_outcomes;
        Ok(reuse.unwrap_or_else(|| evaluator.is_deterministic()))
    }

    /// The row of a run that is not stored yet.
    pub(super) fn run_row(&self) -> Result<RunRow, RunError> {
        let evaluator = self
            .evaluator
            .as_ref()
            .ok_or(RunError::Incomplete("evaluator"))?;
        let run_id = self.run_id.clone();
        let run_id = run_id.unwrap_or_else(|| RunId::fresh(Timestamp::now()));
        Ok(run_row(
            run_id,
            &self.config,
            &self.described,
            evaluator.info(),
        ))
    }

    fn into_parts(self) -> Result<(Parts, Beginning), RunError> {
        let reuse = self.reuses_outcomes()?;
        let evaluator = self.evaluator.ok_or(RunError::Incomplete("evaluator"))?;
        let config = Arc::new(self.config);
        let proposer = match self.writer {
            Some(Writer::Proposer(proposer)) => proposer,
            Some(Writer::Model(model)) => Arc::new(ModelProposer::new(model, &config)),
            None => return Err(RunError::Incomplete("reflection model or proposer")),
        };
        let beginning = Beginning {
            config: Arc::clone(&config),
            policies: self.policies,
            reuse,
            random: self.random.unwrap_or_else(|| source_of(config.settings())),
        };
        let parts = Parts {
            config,
            described: self.described,
            store: self.store.ok_or(RunError::Incomplete("store"))?,
            evaluator,
            proposer,
            events: self.events,
            run_id: self
                .run_id
                .unwrap_or_else(|| RunId::fresh(Timestamp::now())),
            origins: Vec::new(),
        };
        Ok((parts, beginning))
    }
}

impl fmt::Debug for RunBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RunBuilder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

struct Beginning {
    config: Arc<Config>,
    reuse: bool,
    random: Box<dyn RandomSource>,
    policies: Policies,
}

impl Beginning {
    fn core(self) -> Core {
        Core::new(self.config, self.reuse, self.random, self.policies)
    }
}

/// The parts of a run, once its builder is complete.
struct Parts {
    config: Arc<Config>,
    described: serde_json::Value,
    store: Arc<dyn Store>,
    evaluator: Arc<dyn Evaluator>,
    proposer: Arc<dyn Proposer>,
    events: broadcast::Sender<Arc<[Event]>>,
    run_id: RunId,
    origins: Vec<Recorded>,
}

impl Parts {
    fn run_row(&self) -> RunRow {
        run_row(
            self.run_id.clone(),
            &self.config,
            &self.described,
            self.evaluator.info(),
        )
    }

    fn launch(
        self,
        core: Core,
        claim: Claim,
        stored: &RunSummary,
        pending: Vec<EventBody>,
        orders: Vec<Work>,
        resuming: bool,
    ) -> RunHandle {
        let settings = self.config.settings();
        let spend = SpendLimiter::new(
            core.limits().max_tokens,
            core.limits().max_cost_usd,
            core.validation_ahead(),
            core.counters(),
        );
        let limit_seconds = core.limits().max_seconds;
        let (notice, attempts) = watch::channel(Trouble::default());
        let trouble = TroubleWatch {
            attempts,
            evaluator: Arc::clone(&self.evaluator),
            proposer: Arc::clone(&self.proposer),
        };
        // A run that tolerates every failure is not given up, and one that has worked before is resumed
        // when its evaluator works again.
        let is_over = core.counters().total_rollouts > 0 || core.counters().recalled_rollouts > 0;
        let may_give_up = settings.rollouts.max_failure_fraction < 1.0;
        let opening = Opening::new(notice, may_give_up, is_over);
        let mut dispatcher = Dispatcher::new(
            self.run_id.clone(),
            self.evaluator,
            self.proposer,
            settings,
            spend,
            opening,
        );
        let (orders, known) = sort_out(orders, &self.origins);
        for order in orders {
            dispatcher.order(order);
        }
        if stored.paused {
            dispatcher.pause();
        }
        let began = Instant::now();
        let changing_limits = pending
            .iter()
            .any(|body| matches!(body, EventBody::Fact(Fact::LimitsChanged(_))));
        let mut journal = Journal::new(Arc::clone(&self.store), claim.token().clone(), stored.seq);
        for body in pending.into_iter().chain(known) {
            journal.push(body);
        }
        let (sender, commands) = mpsc::unbounded_channel();
        let limits_watch = LimitsWatch::new(&dispatcher.call_limits(), stored.limits_seq);
        let driver = Driver {
            run_id: self.run_id.clone(),
            core,
            journal,
            dispatcher,
            awaited: Vec::new(),
            stopped_by: SteeredBy::default(),
            events: self.events.clone(),
            commands,
            clock: Clock {
                limit_seconds,
                earlier_seconds: stored.active_seconds,
                began,
                paused_seconds: 0.0,
                paused_since: stored.paused.then_some(began),
            },
            limits_watch,
            resuming,
            changing_limits,
            held: Vec::new(),
            ending: None,
            config: Arc::clone(&self.config),
            origins: self.origins,
        };
        let run_id = self.run_id;
        let span = tracing::info_span!("run", run = %run_id);
        let task =
            tokio::spawn(conclude(driver, self.store, run_id.clone(), claim).instrument(span));
        RunHandle {
            run_id,
            control: RunControl { commands: sender },
            events: self.events,
            trouble,
            task,
        }
    }
}

/// Whether the rollout budget covers at least one proposal.
pub(super) fn check_budget(config: &Config, policies: &Policies) -> Result<(), RunError> {
    let Some(limit) = config.settings().budget.max_rollouts else {
        return Ok(());
    };
    let row = policies.first_order(config);
    let configured = config.first_order();
    let floor = config.floor_rollouts() - 2 * configured + 2 * row;
    if limit >= floor {
        return Ok(());
    }
    Err(RunError::BudgetTooSmall {
        limit,
        floor,
        seed: row,
        proposal: config.generation_rollouts() - configured + row,
        validation: config.validation_rollouts(),
    })
}

/// Works on a run until its end, then reads its result from the store. Holds the claim until then.
async fn conclude(
    driver: Driver,
    store: Arc<dyn Store>,
    run_id: RunId,
    claim: Claim,
) -> Result<RunResult, RunError> {
    let end = driver.work(claim.lost()).await?;
    if let RunEnd::Finished(reason) = &end {
        tracing::info!(%reason, "run finished");
    }
    let result = read_result(&*store, &run_id, end).await;
    drop(claim);
    result
}
