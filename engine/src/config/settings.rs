//! The engine's own settings, section by section; defaults are those of the reference algorithm
//! where it has the same knob.

use gepa_archive::{Frontier, ParentRule};
use indexmap::IndexMap;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::budget::BudgetSettings;
use super::ending::{FinalSettings, ValidationSettings};
use super::growing::{Evaluation, GrowingSettings};
use super::reflection::ReflectionSettings;
use super::rules::SearchRules;
use super::texts::TextSettings;

/// The engine's own settings. Evaluator and models are not among them.
///
/// Settings may gain fields in any version, so change a default value field by field:
///
/// ```
/// let mut settings = gepa_engine::Settings::default();
/// settings.budget.max_rollouts = Some(2_000);
/// settings.run.seed = 7;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Settings {
    /// `[run]`
    pub run: RunSettings,
    /// `[[seeds]]`: texts of further candidates from which the search starts. Components that one lacks have
    /// the seed's text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<IndexMap<String, String>>,
    /// `[search]`
    pub search: SearchSettings,
    /// `[merge]`
    pub merge: MergeSettings,
    /// `[reflection]`
    pub reflection: ReflectionSettings,
    /// `[texts.NAME]`, by component
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub texts: IndexMap<String, TextSettings>,
    /// `[rollouts]`
    pub rollouts: RolloutSettings,
    /// `[budget]`
    pub budget: BudgetSettings,
    /// `[validation]`
    pub validation: ValidationSettings,
    /// `[final]`
    #[serde(rename = "final", skip_serializing_if = "FinalSettings::is_default")]
    pub final_choice: FinalSettings,
}

impl Settings {
    /// Different texts wanted from one reflection.
    pub fn hypotheses(&self) -> u32 {
        let preset = match self.search.evaluation {
            Evaluation::Full => 1,
            Evaluation::Growing => 3,
        };
        self.reflection.hypotheses.unwrap_or(preset)
    }

    /// Rejected texts of the same parent that a reflection prompt names.
    pub fn memory(&self) -> u32 {
        let preset = match self.search.evaluation {
            Evaluation::Full => 0,
            Evaluation::Growing => 3,
        };
        self.reflection.memory.unwrap_or(preset)
    }
}

/// `[run]`: identity, randomness and schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct RunSettings {
    /// A name for people.
    pub name: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// `ordered`: decisions are committed in issue order, so the lineage depends on the two lags
    /// and never on timing. `free`: decisions are committed as results arrive.
    pub schedule: ScheduleKind,
    /// Generations whose gates may be undecided when another begins; 1 waits for each. A generation
    /// is a single proposal unless `search` says otherwise.
    pub gate_lag: u32,
    /// Generations whose pareto scores may be open when another begins; at least `gate_lag`.
    /// Both lags at 1 are the sequential algorithm.
    pub pareto_lag: u32,
    /// Under `free`, what becomes of a child that passes its gate when it is stale: `gate_lag`
    /// generations or more were issued after its own, or its parent has left the front since. Has
    /// no effect under `ordered`.
    pub stale_children: StaleChildren,
    /// Whether pareto sets begin in idle slots before the gate that decides whether they are
    /// wanted.
    pub speculate: Speculation,
    /// Rollouts in flight at once, over all proposals.
    pub max_concurrent: u32,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            name: "gepa".to_owned(),
            seed: 0,
            schedule: ScheduleKind::Ordered,
            gate_lag: 2,
            pareto_lag: 2,
            stale_children: StaleChildren::Keep,
            speculate: Speculation::Decided,
            max_concurrent: 16,
        }
    }
}

/// When decisions are committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// In the order in which proposals were issued.
    #[default]
    Ordered,
    /// In the order in which results arrive.
    Free,
}

/// What becomes of a stale child that passed its gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StaleChildren {
    /// It goes on like any other.
    #[default]
    Keep,
    /// Its proposal ends; what was paid for stays in the journal and counts as known.
    Drop,
    /// Only in journals of former versions; no [`Config`](super::Config) takes it.
    #[cfg_attr(feature = "schema", schemars(skip))]
    Regate,
}

/// When pareto sets may begin before the gate is decided on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Speculation {
    /// Never.
    Off,
    /// Under `ordered`, once it is certain that the child will go on when its turn comes. Decisions
    /// are those of `off`. Has no effect under `free`, where such gates are not kept waiting.
    #[default]
    Decided,
    /// Only in journals of former versions; no [`Config`](super::Config) takes it.
    #[cfg_attr(feature = "schema", schemars(skip))]
    Likely,
}

/// `[search]`: who becomes a parent, on what it is tried, and when its child is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct SearchSettings {
    /// Whose rules hold where the engine and the reference implementation differ.
    pub rules: SearchRules,
    /// The id of an earlier run of the same store. The search starts from candidates of its archive as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_from: Option<String>,
    /// How many of the best candidates of that run are taken; its front if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_best: Option<u32>,
    /// How a parent is chosen.
    pub parent: ParentSelection,
    /// Probability of a uniform choice under `epsilon_greedy`, 0 to 1.
    pub epsilon: f64,
    /// How many of the best `top_k_pareto` chooses among.
    pub top_k: u32,
    /// What the fronts are kept over.
    #[cfg_attr(feature = "schema", schemars(with = "FrontierName"))]
    pub frontier: Frontier,
    /// How much of the pareto set a candidate is run on.
    pub evaluation: Evaluation,
    /// How rows grow under `evaluation = "growing"`.
    pub growing: GrowingSettings,
    /// Training examples per proposal.
    pub minibatch_size: u32,
    /// Parents drawn per generation, independently and with replacement. The proposals of a
    /// generation are decided on together.
    pub parents_per_generation: u32,
    /// Minibatches tried per parent drawn; each is a proposal.
    pub batches_per_parent: u32,
    /// Most children of a generation that go on to the pareto set: those whose sums rose most. All
    /// that pass the gate if absent.
    pub keep_best: Option<u32>,
    /// Which components a reflection rewrites.
    pub components: ComponentSelection,
    /// When a child goes on from its minibatch to the pareto set.
    pub acceptance: Acceptance,
    /// What becomes of a child that equals its parent or a candidate known already.
    pub duplicates: Duplicates,
    /// Skip reflection when every minibatch score of the parent is at least `perfect_score`.
    pub skip_perfect: bool,
    /// The score that cannot be bettered. If absent: the highest of the evaluator's declared range; without
    /// one 1, unless scores above 1 show that the highest score is not known.
    pub perfect_score: Option<f64>,
    /// Most candidates kept in the archive; evicted ones stay in the lineage. Unlimited if absent.
    pub archive_max_size: Option<u32>,
    /// Candidates with a lower mean pareto score enter no front. None if absent.
    pub archive_min_score: Option<f64>,
    /// Take a parent's known outcome on a training example instead of evaluating it again. If
    /// absent: exactly when the evaluator is deterministic.
    pub reuse_outcomes: Option<bool>,
    /// Where known outcomes are reused, wait for an outcome that another proposal in flight buys instead of
    /// buying it again. Off in settings that were stored without it.
    #[serde(default)]
    pub reuse_in_flight: bool,
    /// Pairs of example sets that may share examples: any of `train_pareto`, `train_validation`,
    /// `pareto_validation`. Sharing with validation makes its scores no longer held out.
    pub allow_overlap: Vec<Overlap>,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            rules: SearchRules::Own,
            start_from: None,
            start_best: None,
            parent: ParentSelection::Pareto,
            epsilon: 0.1,
            top_k: 5,
            frontier: Frontier::Instance,
            evaluation: Evaluation::default(),
            growing: GrowingSettings::default(),
            minibatch_size: 3,
            parents_per_generation: 1,
            batches_per_parent: 1,
            keep_best: None,
            components: ComponentSelection::RoundRobin,
            acceptance: Acceptance::StrictImprovement,
            duplicates: Duplicates::Skip,
            skip_perfect: true,
            perfect_score: None,
            archive_max_size: None,
            archive_min_score: None,
            reuse_outcomes: None,
            reuse_in_flight: true,
            allow_overlap: Vec::new(),
        }
    }
}

impl SearchSettings {
    /// The archive's rule for these settings.
    pub(crate) fn parent_rule(&self) -> ParentRule {
        match self.parent {
            ParentSelection::Pareto => ParentRule::Pareto,
            ParentSelection::CurrentBest => ParentRule::CurrentBest,
            ParentSelection::EpsilonGreedy => ParentRule::EpsilonGreedy {
                epsilon: self.epsilon,
            },
            ParentSelection::TopKPareto => ParentRule::TopKPareto {
                k: self.top_k as usize,
            },
        }
    }
}

/// How a parent is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ParentSelection {
    /// In proportion to the fronts a candidate is on, dominated candidates removed.
    #[default]
    Pareto,
    /// The best by mean score.
    CurrentBest,
    /// The best, or with probability `epsilon` any.
    EpsilonGreedy,
    /// As `pareto`, among the `top_k` best.
    TopKPareto,
}

/// The names of the frontier types, for the schema.
#[cfg(feature = "schema")]
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "exists for the generated schema only")]
enum FrontierName {
    Instance,
    Objective,
    Hybrid,
    Cartesian,
}

/// Which components a reflection rewrites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ComponentSelection {
    /// One, in turn; each candidate keeps its place in the round.
    #[default]
    RoundRobin,
    /// All of them.
    All,
}

/// When a child goes on from its minibatch to the pareto set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Acceptance {
    /// Its sum of scores is greater than its parent's.
    #[default]
    StrictImprovement,
    /// Its sum of scores is not smaller than its parent's.
    ImprovementOrEqual,
}

/// What becomes of a child that equals its parent or a candidate known already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// It is not evaluated; the proposal ends.
    #[default]
    Skip,
    /// It is tried like any other, and may enter the archive beside its equal; only within one
    /// generation equals are dropped. This is what the reference implementation does.
    Keep,
}

impl Acceptance {
    /// Whether a child with this sum passes. Sums are over the same examples.
    pub fn passes(self, parent_sum: f64, child_sum: f64) -> bool {
        match self {
            Self::StrictImprovement => child_sum > parent_sum,
            Self::ImprovementOrEqual => child_sum >= parent_sum,
        }
    }
}

/// A pair of example sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Minibatches and fronts.
    TrainPareto,
    /// Minibatches and the held-out set.
    TrainValidation,
    /// Fronts and the held-out set.
    ParetoValidation,
}

impl Overlap {
    /// The name used in configs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrainPareto => "train_pareto",
            Self::TrainValidation => "train_validation",
            Self::ParetoValidation => "pareto_validation",
        }
    }
}

/// `[merge]`: composing a candidate from two that descend from the same ancestor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct MergeSettings {
    /// Whether merges are tried after acceptances.
    pub enabled: bool,
    /// Most merges accepted per run.
    pub max_invocations: u32,
    /// Fewest pareto examples both parents must have scores on.
    pub overlap_floor: u32,
}

impl Default for MergeSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            max_invocations: 5,
            overlap_floor: 5,
        }
    }
}

/// `[rollouts]`: retries, time limits, and how many failures a run may have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct RolloutSettings {
    /// Attempts per rollout; only transient failures and timeouts are tried again.
    pub max_attempts: u32,
    /// Seconds an attempt may take; the time in which its model calls only wait does not count.
    pub timeout_seconds: f64,
    /// Seconds before the second attempt; doubles with each further one. The slot is free
    /// meanwhile.
    pub backoff_seconds: f64,
    /// The run ends when more than this fraction of its recent rollouts failed, and a candidate is
    /// not accepted when more than this fraction of its pareto rollouts did; 0 to 1.
    pub max_failure_fraction: f64,
}

impl Default for RolloutSettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            timeout_seconds: 300.0,
            backoff_seconds: 0.5,
            max_failure_fraction: 0.5,
        }
    }
}
