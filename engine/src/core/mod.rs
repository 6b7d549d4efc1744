//! The run's state and every decision made from it. Nothing here waits.
//!
//! Facts go in one at a time; decisions and orders come out. The same facts in the same order give
//! the same decisions, however they are batched. Resuming, replaying and the guarantees of the
//! schedules rest on this.

mod acts;
mod commit;
#[cfg(test)]
mod conformance;
mod failures;
mod finish;
mod generation;
mod growth;
mod hypotheses;
mod issue;
mod ledger;
mod limits;
mod memory;
mod order;
mod pace;
mod priority;
mod progress;
mod proposal;
mod refinement;
mod rejected;
mod row;
mod scale;
mod scorings;
mod settings;
mod speculation;
mod staleness;
mod steering;
#[cfg(test)]
mod tests;
mod trial;
mod work;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use gepa_archive::{Archive, ArchiveSettings, CandidateIndex, ContentId, InstanceIndex, MergeLog};
use gepa_evaluation::{ExampleId, Outcome, ScoreRange};

use crate::config::{BudgetSettings, Config, Evaluation, SearchSettings};
use crate::counters::Counters;
use crate::event::{Decision, Fact, JOURNAL_FORMAT, PolicyDecided, RolloutSettled, RunStarted};
use crate::policy::{Policies, PolicySet};
use crate::random::RandomSource;
use crate::stop::StopReason;
use failures::FailureWindow;
use ledger::{Ledger, Reservation};
use memory::Memory;
use pace::Pace;
use proposal::Proposal;
use rejected::Rejected;
use row::Row;
use scale::Scale;
use scorings::Scorings;
use steering::Steered;
use trial::Trial;
use work::rollouts_of;

pub use acts::{MOST_HINT_CHARS, Steering, SteeringRefused};
pub(crate) use growth::Growth;
pub(crate) use limits::{LimitsRefused, ValidationAhead};
pub(crate) use priority::Priority;
pub(crate) use work::{ReflectionWork, RolloutWork, Work};

/// A run's state.
pub(crate) struct Core {
    config: Arc<Config>,
    random: Box<dyn RandomSource>,
    policies: PolicySet,
    /// The limits and conditions in force.
    limits: BudgetSettings,
    archive: Archive,
    /// `None` where every candidate is run on the whole pareto set.
    growth: Option<Growth>,
    /// The archive's name of each pareto example, by position. The name is the rank of the
    /// example's id, so that the draws of a merge do not depend on the order in which the set is
    /// listed.
    instances: Vec<InstanceIndex>,
    /// Content of every member of the archive.
    contents: HashMap<ContentId, CandidateIndex>,
    /// The component whose turn it is, by candidate.
    cursors: Vec<usize>,
    memory: Memory,
    rejected: Rejected,
    merge: MergeState,
    steered: Steered,
    open: BTreeMap<u64, Proposal>,
    next_iteration: u64,
    next_generation: u64,
    /// Iterations after which other settings apply, ascending.
    branch_points: VecDeque<u64>,
    pace: Pace,
    /// The number of iterations decided on since the best score last rose.
    since_best: u64,
    fruitless: Fruitless,
    ledger: Ledger,
    scorings: Scorings,
    /// The best candidates, once they have been chosen.
    winners: Option<Vec<CandidateIndex>>,
    failures: FailureWindow,
    scale: Scale,
    counters: Counters,
    snapshots: u64,
    stop: Option<StopReason>,
    part: Part,
    decisions: Vec<Decision>,
    work: Vec<Work>,
}

/// The parts of a run.
#[derive(Debug)]
enum Part {
    Seeding(Row),
    Searching,
    /// No new proposal begins. Proposals in flight are still decided on.
    Draining,
    /// Too many rollouts failed. The run ends once everything in flight has been accounted for.
    Failed,
    Validating(Vec<Trial>),
    Finished,
}

/// Counts of consecutive iterations without progress. Without these counts a run could go on for
/// ever, because such iterations use up no budget.
#[derive(Debug, Default)]
struct Fruitless {
    /// Iterations in which no rollout was executed.
    idle: u64,
    /// Iterations in which the reflection model gave no usable text.
    unreflected: u64,
    /// Proposals in a row with the text of the one before and known outcomes on the whole minibatch.
    repeated: u64,
    /// The content of the last candidate proposed.
    last_content: Option<ContentId>,
    last_complaint: String,
}

/// The state of merging.
#[derive(Debug, Default)]
struct MergeState {
    log: MergeLog,
    /// Merges still due: an accepted reflective candidate adds one, an accepted merge removes one.
    due: u64,
    /// The number of accepted merges.
    accepted: u64,
    /// Whether a reflective candidate was accepted since the last iteration began.
    after_acceptance: bool,
}

impl Core {
    /// Creates a run of the configured policies that has begun.
    pub(crate) fn start(config: Arc<Config>, reuse: bool, random: Box<dyn RandomSource>) -> Self {
        let mut core = Self::new(config, reuse, random, Policies::new());
        core.begin();
        core
    }

    /// Creates a run that has not begun.
    pub(crate) fn new(
        config: Arc<Config>,
        reuse: bool,
        mut random: Box<dyn RandomSource>,
        policies: Policies,
    ) -> Self {
        let settings = config.settings();
        let instances = ranks(&config.sets().pareto);
        let growth = Growth::new(&settings.search, &instances, &mut *random);
        let mut core = Self {
            random,
            policies: PolicySet::new(&config, policies),
            limits: BudgetSettings::default(),
            archive: Archive::new(archive_settings(&settings.search)),
            growth,
            instances,
            contents: HashMap::new(),
            cursors: Vec::new(),
            memory: Memory::new(reuse, &settings.search),
            rejected: Rejected::default(),
            merge: MergeState::default(),
            steered: Steered::default(),
            open: BTreeMap::new(),
            next_iteration: 1,
            next_generation: 1,
            branch_points: VecDeque::new(),
            pace: Pace::default(),
            since_best: 0,
            fruitless: Fruitless::default(),
            ledger: Ledger::default(),
            scorings: Scorings::default(),
            winners: None,
            failures: FailureWindow::new(settings.rollouts.max_failure_fraction),
            scale: Scale::new(None),
            counters: Counters::default(),
            snapshots: 0,
            stop: None,
            part: Part::Finished,
            decisions: Vec::new(),
            work: Vec::new(),
            config,
        };
        core.limit_to(core.config.settings().budget.clone());
        core
    }

    /// Decides to start and to evaluate the seed.
    pub(crate) fn begin(&mut self) {
        let sets = self.config.sets();
        let started = RunStarted {
            format: JOURNAL_FORMAT,
            engine_version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: (**self.config.seed()).clone(),
            train: sets.train.len() as u64,
            pareto: sets.pareto.len() as u64,
            validation: sets.validation.len() as u64,
            limits: Some(self.limits.clone()),
            scores: self.scale.to_journal(),
            origin: None,
            settings: None,
            branch_points: Vec::new(),
            paced: self.pace.is_paced(),
        };
        self.decide(Decision::RunStarted(started));
        let mut row = self.seed_row();
        if let Some(rung) = self.next_rung(&mut row, None) {
            row.reserved = self.reserved_for(&row, &rung);
            self.ledger.reserve(Reservation {
                rollouts: row.reserved,
                reflections: 0,
            });
            self.order_rung(&mut row, rung);
        }
        self.part = Part::Seeding(row);
    }

    /// Sets the range in which the evaluator's scores lie. The run must not have begun yet.
    pub(crate) fn declare_scores(&mut self, range: Option<ScoreRange>) {
        self.scale = Scale::new(range);
    }

    /// Adds a fact and makes every decision that follows from it.
    pub(crate) fn settle(&mut self, fact: &Fact) {
        if self.take_in(fact) {
            self.advance();
        }
    }

    /// Adds a fact. Returns whether to decide now; false while the fact's trial is incomplete.
    fn take_in(&mut self, fact: &Fact) -> bool {
        self.counters.count_fact(fact);
        match fact {
            Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled) => {
                return self.settle_rollout(settled);
            }
            Fact::RolloutSuspended(settled) => self.suspend_rollout(settled),
            Fact::RolloutsDropped(dropped) => self.drop_rollouts(dropped),
            Fact::ReflectionSettled(settled) | Fact::ReflectionRecalled(settled) => {
                self.settle_reflection(settled);
            }
            Fact::CandidateInjected(injected) => {
                self.steered.injected.push_back(injected.clone());
            }
            Fact::CandidateVetoed(vetoed) => self.veto(vetoed),
            Fact::HintGiven(given) => self.take_hint(given),
            Fact::ExampleExcluded(excluded) => self.exclude(excluded),
            Fact::StopRequested(request) => self.stop_at_once(request.reason.clone()),
            // The answer was used when it was given, or it was recalled before; the limits decide
            // nothing.
            Fact::PolicyDecided(_) | Fact::CallLimitsNoted(_) => return false,
            Fact::SettingsChanged(changed) => self.change_settings(&changed.settings),
            Fact::LimitsChanged(changed) => self.change_limits(changed),
            Fact::RunAbandoned(abandoned) => self.abandon(&abandoned.reason),
            Fact::RunResumed(_) if self.has_failed() => self.finish(),
            Fact::RunResumed(_) => self.reopen_retryable(),
            _ => {}
        }
        true
    }

    /// The decisions made since the last call, in order.
    pub(crate) fn take_decisions(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.decisions)
    }

    /// The answers of foreign policies since the last call, in order. They are journaled before the
    /// decisions, because the decisions follow from them.
    pub(crate) fn take_answers(&mut self) -> Vec<Fact> {
        let made = self.policies.answers.take_made();
        made.into_iter().map(Fact::PolicyDecided).collect()
    }

    /// Adds a foreign policy's answer from the journal. It comes before the fact that leads to its
    /// question.
    pub(crate) fn recall(&mut self, decided: &PolicyDecided) {
        self.policies.answers.recall(decided);
    }

    /// Sets whether facts come from a stored journal. Its decisions are known, so no foreign policy
    /// is asked.
    pub(crate) fn set_replaying(&mut self, is_replaying: bool) {
        self.policies.answers.set_replaying(is_replaying);
    }

    /// The orders given since the last call, in order.
    pub(crate) fn take_work(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.work)
    }

    /// All work that has no answer yet. A resumed run orders it again.
    pub(crate) fn outstanding(&mut self) -> Vec<Work> {
        self.work.clear();
        let mut orders: Vec<Work> = match &self.part {
            Part::Seeding(row) => row.trials().flat_map(rollouts_of).collect(),
            Part::Validating(trials) => trials.iter().flat_map(rollouts_of).collect(),
            _ => Vec::new(),
        };
        for proposal in self.open.values() {
            orders.extend(proposal.trials().flat_map(rollouts_of));
            orders.extend(self.open_reflections(proposal));
        }
        orders
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.part, Part::Finished)
    }

    /// Whether the run gave up and waits for a `StopRequested`, which says that nothing is in
    /// flight.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.part, Part::Failed)
    }

    /// Whether the final scoring is running.
    pub(crate) fn is_validating(&self) -> bool {
        matches!(self.part, Part::Validating(_))
    }

    /// Why the search ended; `None` while it goes on.
    pub(crate) fn stop_reason(&self) -> Option<&StopReason> {
        self.stop.as_ref()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    fn settle_rollout(&mut self, settled: &RolloutSettled) -> bool {
        if let Outcome::Failed(failure) = &*settled.outcome
            && failure.fatal
        {
            self.give_up_on_rollouts(&failure.message);
            return true;
        }
        let position = settled.position as usize;
        let outcome = Arc::clone(&settled.outcome);
        match &mut self.part {
            Part::Seeding(row) => {
                let trial = row.trial_mut(settled.trial);
                let mut again = Vec::new();
                let filled = trial.is_some_and(|trial| {
                    let is_new = trial.settle(position, outcome);
                    is_new && is_complete(trial, &self.scale, &mut again)
                });
                self.work.extend(again);
                if filled {
                    self.go_on_with_seed();
                }
                filled
            }
            Part::Validating(trials) => {
                let trial = trials.iter_mut().find(|trial| trial.key == settled.trial);
                let Some(trial) = trial else { return false };
                if !trial.settle(position, outcome)
                    || !is_complete(trial, &self.scale, &mut self.work)
                {
                    return false;
                }
                let finished = trial.finished();
                self.decide(finished);
                true
            }
            _ => self.settle_in_proposal(settled, outcome),
        }
    }

    fn suspend_rollout(&mut self, settled: &RolloutSettled) {
        let key = settled.trial;
        let trial = match &mut self.part {
            Part::Seeding(row) => row.trial_mut(key),
            Part::Validating(trials) => trials.iter_mut().find(|trial| trial.key == key),
            _ => {
                let proposal = self.open.get_mut(&key.iteration);
                proposal.and_then(|proposal| proposal.trial_mut(key.index))
            }
        };
        if let Some(trial) = trial {
            trial.suspend(settled.position as usize);
        }
    }

    fn reopen_retryable(&mut self) {
        let of_part: Vec<&mut Trial> = match &mut self.part {
            Part::Seeding(row) => row.trials_mut().collect(),
            Part::Validating(trials) => trials.iter_mut().collect(),
            _ => Vec::new(),
        };
        for proposal in self
            .open
            .values_mut()
            .filter(|proposal| proposal.is_dropping())
        {
            // The process that should have reported the dropped rollouts has ended, and its queue
            // with it.
            proposal.trials_mut().for_each(Trial::drop_all_open);
        }
        let of_proposals = self.open.values_mut().flat_map(Proposal::trials_mut);
        for trial in of_part.into_iter().chain(of_proposals) {
            // A complete trial has been decided on, and that decision includes its failures.
            if !trial.is_complete() {
                trial.reopen_retryable();
            }
        }
    }

    fn decide(&mut self, decision: Decision) {
        self.counters.count_decision(&decision);
        self.decisions.push(decision);
    }

    /// Journals a trial's start and orders its rollouts.
    fn order_trial(&mut self, trial: &Trial) {
        self.decide(trial.started());
        self.work.extend(rollouts_of(trial));
    }
}

/// The archive of a search with these settings.
pub(crate) fn archive_settings(search: &SearchSettings) -> ArchiveSettings {
    let is_growing = search.evaluation == Evaluation::Growing;
    let most = search.archive_max_size.map(|size| size as usize);
    ArchiveSettings {
        frontier: search.frontier,
        max_size: most.or(is_growing.then_some(growth::MOST_LIVE)),
        min_score: search.archive_min_score,
        revisable: is_growing,
    }
}

/// Whether every rollout of a trial has an outcome that stands. Rollouts that failed because of their
/// surroundings are ordered once more first.
fn is_complete(trial: &mut Trial, scale: &Scale, work: &mut Vec<Work>) -> bool {
    if !trial.is_complete() {
        return false;
    }
    if scale.leaves_failures_out() || !trial.reopen_passing() {
        return true;
    }
    work.extend(rollouts_of(trial));
    false
}

/// The rank of each id among all, by position.
pub(crate) fn ranks(ids: &[ExampleId]) -> Vec<InstanceIndex> {
    let mut positions: Vec<usize> = (0..ids.len()).collect();
    positions.sort_by_key(|position| &ids[*position]);
    let mut ranks = vec![InstanceIndex(0); ids.len()];
    for (rank, position) in positions.into_iter().enumerate() {
        ranks[position] = InstanceIndex(rank as u32);
    }
    ranks
}

impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Core")
            .field("part", &self.part)
            .field("next_iteration", &self.next_iteration)
            .field("open", &self.open.len())
            .finish_non_exhaustive()
    }
}
