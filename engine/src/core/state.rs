//! The state of a run, which every decision is made from.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use gepa_archive::{Archive, ArchiveSettings, CandidateIndex, ContentId, InstanceIndex, MergeLog};
use gepa_evaluation::{ExampleId, ScoreRange};

use super::failures::FailureWindow;
use super::growth::{Growth, MOST_LIVE};
use super::ledger::Ledger;
use super::memory::Memory;
use super::proposal::Proposal;
use super::rejected::Rejected;
use super::row::Row;
use super::scale::Scale;
use super::scorings::Scorings;
use super::trial::Trial;
use super::work::{Work, rollouts_of};
use crate::config::{BudgetSettings, Config, Evaluation, SearchSettings};
use crate::counters::Counters;
use crate::event::{CandidateInjected, Decision, Fact, PolicyDecided};
use crate::policy::{Policies, PolicySet};
use crate::random::RandomSource;
use crate::stop::StopReason;

/// A run's state.
pub(crate) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) random: Box<dyn RandomSource>,
    pub(super) policies: PolicySet,
    /// The limits and conditions in force.
    pub(super) limits: BudgetSettings,
    pub(super) archive: Archive,
    /// `None` where every candidate is run on the whole pareto set.
    pub(super) growth: Option<Growth>,
    /// The archive's name of each pareto example, by position. The name is the rank of the
    /// example's id, so that the draws of a merge do not depend on the order in which the set is
    /// listed.
    pub(super) instances: Vec<InstanceIndex>,
    /// Content of every member of the archive.
    pub(super) contents: HashMap<ContentId, CandidateIndex>,
    /// The component whose turn it is, by candidate.
    pub(super) cursors: Vec<usize>,
    pub(super) memory: Memory,
    pub(super) rejected: Rejected,
    pub(super) merge: MergeState,
    pub(super) steered: Steered,
    pub(super) open: BTreeMap<u64, Proposal>,
    /// Outcomes that trials in flight wait for and that other trials buy.
    pub(super) waiting: u64,
    pub(super) next_iteration: u64,
    pub(super) next_generation: u64,
    /// Iterations after which other settings apply, ascending.
    pub(super) branch_points: VecDeque<u64>,
    pub(super) pace: Pace,
    /// The number of iterations decided on since the best score last rose.
    pub(super) since_best: u64,
    pub(super) fruitless: Fruitless,
    pub(super) ledger: Ledger,
    pub(super) scorings: Scorings,
    /// The best candidates, once they have been chosen.
    pub(super) winners: Option<Vec<CandidateIndex>>,
    /// Candidates that the final scoring scores in the place of vetoed ones.
    pub(super) replacements: Vec<CandidateIndex>,
    pub(super) failures: FailureWindow,
    pub(super) scale: Scale,
    pub(super) counters: Counters,
    pub(super) snapshots: u64,
    pub(super) stop: Option<StopReason>,
    pub(super) part: Part,
    pub(super) decisions: Vec<Decision>,
    pub(super) work: Vec<Work>,
}

/// The parts of a run.
#[derive(Debug)]
pub(super) enum Part {
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
pub(super) struct Fruitless {
    /// Iterations in which no rollout was executed.
    pub(super) idle: u64,
    /// Iterations in which the reflection model gave no usable text.
    pub(super) unreflected: u64,
    /// Proposals in a row with the text of the one before and known outcomes on the whole minibatch.
    pub(super) repeated: u64,
    /// The content of the last candidate proposed.
    pub(super) last_content: Option<ContentId>,
    pub(super) last_complaint: String,
}

/// The state of merging.
#[derive(Debug, Default)]
pub(super) struct MergeState {
    pub(super) log: MergeLog,
    /// Merges still due: an accepted reflective candidate adds one, an accepted merge removes one.
    pub(super) due: u64,
    /// The number of accepted merges.
    pub(super) accepted: u64,
    /// Whether a reflective candidate was accepted since the last iteration began.
    pub(super) after_acceptance: bool,
}

/// Whether generations begin on their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// As soon as the schedule and the stop conditions allow one.
    #[default]
    Own,
    /// Each waits for a request.
    Waiting,
    /// One has been requested.
    Requested,
}

impl Pace {
    pub(super) fn is_paced(self) -> bool {
        self != Self::Own
    }
}

/// What people did so far.
#[derive(Debug, Default)]
pub(super) struct Steered {
    /// Candidates from outside that wait for their iteration.
    pub(super) injected: VecDeque<CandidateInjected>,
    /// The hint in force.
    pub(super) hint: Option<Arc<str>>,
    pub(super) excluded: BTreeSet<ExampleId>,
    /// Whether another candidate takes the place of a vetoed winner.
    pub(super) replaces_vetoed: bool,
    /// Whether the archive changed after the end of the run, which no decision has said yet.
    pub(super) is_revised: bool,
}

impl Steered {
    /// Whether an example counts no longer.
    pub(super) fn is_excluded(&self, example: &ExampleId) -> bool {
        !self.excluded.is_empty() && self.excluded.contains(example)
    }

    /// Whether no example was excluded.
    pub(super) fn counts_all(&self) -> bool {
        self.excluded.is_empty()
    }
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
        let growth = Growth::new(&settings.search, &instances, !reuse, &mut *random);
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
            waiting: 0,
            next_iteration: 1,
            next_generation: 1,
            branch_points: VecDeque::new(),
            pace: Pace::default(),
            since_best: 0,
            fruitless: Fruitless::default(),
            ledger: Ledger::default(),
            scorings: Scorings::default(),
            winners: None,
            replacements: Vec::new(),
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

    /// Sets the range in which the evaluator's scores lie. The run must not have begun yet.
    pub(crate) fn declare_scores(&mut self, range: Option<ScoreRange>) {
        self.scale = Scale::new(range);
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

    pub(super) fn decide(&mut self, decision: Decision) {
        self.counters.count_decision(&decision);
        self.decisions.push(decision);
    }

    /// Journals a trial's start and orders its rollouts.
    pub(super) fn order_trial(&mut self, trial: &Trial) {
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
        max_size: most.or(is_growing.then_some(MOST_LIVE)),
        min_score: search.archive_min_score,
        revisable: is_growing,
    }
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
