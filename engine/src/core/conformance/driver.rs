//! Drives a core through a recorded run. It answers the core's orders from the recorded world, one
//! generation at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{ExampleId, FailureKind, Outcome, PromptTemplate, Scored, Stage, Usage};
use gepa_testing::{Rewriting, World};

use super::super::state::{Core, Part};
use super::super::work::{RolloutWork, Work};
use super::recording::Header;
use super::twister::Twister;
use crate::config::{
    BudgetSettings, Config, Duplicates, Evaluation, ExampleSets, MergeSettings, Overlap,
    ReflectionSettings, RolloutSettings, RunSettings, SearchSettings, Settings,
};
use crate::core::ReflectionWork;
use crate::event::{
    Decision, Fact, ReflectionFailure, ReflectionFailureKind, ReflectionSettled, RolloutSettled,
};
use crate::ids::{Timestamp, TrialKey};

/// A core, and the recorded facts that answer its orders.
pub(super) struct Driver {
    pub(super) core: Core,
    pub(super) header: Header,
    pub(super) random: Twister,
}

/// What happened in one generation.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) decisions: Vec<Decision>,
    /// Rollouts executed.
    pub(super) executed: BTreeSet<(TrialKey, ExampleId)>,
    /// By iteration: the requested components, with the new text where there is one.
    pub(super) rewrites: BTreeMap<u64, Vec<(String, Option<String>)>>,
}

impl Driver {
    pub(super) fn new(header: Header) -> Self {
        let random = Twister::new(header.config.seed);
        let named = header.components.iter().zip(&header.seed_candidate);
        let seed = Candidate::new(named.map(|(name, text)| (name.as_str(), text.as_str())));
        let key = |id: &u64| ExampleId::Seed(header.world.validation_key(*id));
        let sets = ExampleSets {
            train: header
                .train_ids
                .iter()
                .copied()
                .map(ExampleId::Seed)
                .collect(),
            pareto: header.val_ids.iter().map(key).collect(),
            validation: Vec::new(),
        };
        let config = Config::new(
            seed.expect("a seed with components"),
            PromptTemplate::default(),
            sets,
            settings(&header),
        );
        let config = Arc::new(config.expect("settings that hold together"));
        let reuse = header.config.cache;
        let core = Core::start(config, reuse, Box::new(random.clone()));
        Self {
            core,
            header,
            random,
        }
    }

    /// Scores the seed. The caller does the rest.
    pub(super) fn seed(&mut self) -> Generation {
        let mut seeding = Generation::default();
        for work in self.core.take_work() {
            self.answer(&work, &mut seeding);
        }
        self.core.commit_seed_if_complete();
        seeding.decisions = self.core.take_decisions();
        seeding
    }

    /// Runs one generation from its first draw to its last change of the archive. Returns `Err`
    /// with the reason if the core stops instead.
    pub(super) fn generation(&mut self) -> Result<Generation, String> {
        let mut generation = Generation::default();
        // The reference never reads its cache for parents.
        self.core.memory.forget_for_parents();
        assert!(
            self.core.step(),
            "a core with nothing open can go on or stop"
        );
        if !matches!(self.core.part, Part::Searching) {
            return Err(format!("{:?}", self.core.stop_reason()));
        }
        loop {
            while !self.core.open.is_empty() && self.core.step() {}
            generation.decisions.extend(self.core.take_decisions());
            let orders = self.core.take_work();
            if self.core.open.is_empty() {
                return Ok(generation);
            }
            assert!(!orders.is_empty(), "the core waits for nothing");
            for work in orders {
                self.answer(&work, &mut generation);
            }
        }
    }

    pub(super) fn world(&self) -> &World {
        &self.header.world
    }

    fn answer(&mut self, work: &Work, generation: &mut Generation) {
        let fact = match work {
            Work::Rollout(work) => {
                let executed = (work.trial, work.example.clone());
                generation.executed.insert(executed);
                let settled = self.rollout(work);
                Fact::RolloutSettled(Box::new(settled))
            }
            Work::Reflection(work) => {
                let settled = self.reflection(work);
                let rewrites = generation.rewrites.entry(work.iteration).or_default();
                rewrites.push((settled.component.clone(), settled.text.clone()));
                Fact::ReflectionSettled(Box::new(settled))
            }
            Work::DropQueued | Work::DropTrial(_) | Work::Move(..) => {
                panic!("nobody stopped the run, and nothing is speculative")
            }
        };
        self.core.take_in(&fact);
    }

    fn rollout(&mut self, work: &RolloutWork) -> RolloutSettled {
        let texts = texts(&work.candidate);
        let key = key(&work.example);
        let world = &self.header.world;
        let objectives = world.objective_scores(&texts, key).into_iter();
        let scored = Outcome::Scored(Scored {
            score: world.score(world.numerator(&texts, key)),
            objectives: objectives
                .map(|(name, score)| (Arc::from(name), score))
                .collect(),
            ..Scored::default()
        });
        let lacks_traces = work.stage == Stage::MinibatchParent
            && world.lacks_traces(&texts, &self.minibatch(work.trial.iteration));
        // The reference caches scores that have no traces. The engine counts a rollout without
        // traces as failed, because a reflection cannot use it.
        let outcome = if lacks_traces {
            let content = work.candidate.content_id();
            let known = Arc::new(scored);
            self.core.memory.note(content, &work.example, known);
            Outcome::failed(FailureKind::Permanent, "no traces")
        } else {
            scored
        };
        RolloutSettled {
            again: work.again,
            ..RolloutSettled::new(
                work.trial,
                work.stage,
                work.candidate.content_id(),
                work.position as u32,
                work.example.clone(),
                outcome,
            )
        }
    }

    /// The proposer of the reference fails for a whole task, so it fails for each component of the
    /// task.
    fn reflection(&self, work: &ReflectionWork) -> ReflectionSettled {
        let proposal = &self.core.open[&work.iteration];
        let parent = &proposal.parent_trial.as_ref().expect("a parent").candidate;
        let minibatch = self.minibatch(work.iteration);
        let rewrite = |component: &str| {
            let at = self
                .header
                .components
                .iter()
                .position(|one| one == component);
            let text = parent.text(component).expect("a component of the parent");
            self.world()
                .rewrite(at.expect("a component"), text, &minibatch)
        };
        let raises = proposal
            .rewrites
            .iter()
            .any(|one| rewrite(&one.component) == Rewriting::Raises);
        let rewritten = if raises {
            Rewriting::Raises
        } else {
            rewrite(&work.component)
        };
        let (text, failure) = match rewritten {
            Rewriting::Text(text) => (Some(text), None),
            Rewriting::Nothing => (None, Some("no_text")),
            Rewriting::Raises => (None, Some("fail")),
        };
        ReflectionSettled {
            iteration: work.iteration,
            component: work.component.to_string(),
            attempt: work.attempt,
            started_at: Timestamp(0),
            finished_at: Timestamp(0),
            usage: Usage::default(),
            messages: Vec::new(),
            reply: None,
            text,
            alternatives: Vec::new(),
            overlong: None,
            refused_texts: Vec::new(),
            copying: 0,
            failure: failure.map(|message| ReflectionFailure {
                kind: ReflectionFailureKind::NoFence,
                message: message.to_owned(),
            }),
        }
    }

    fn minibatch(&self, iteration: u64) -> Vec<u64> {
        self.core.open[&iteration].batch.iter().map(key).collect()
    }
}

pub(super) fn texts(candidate: &Candidate) -> Vec<String> {
    let texts = candidate.components().values();
    texts.map(ToString::to_string).collect()
}

pub(super) fn key(example: &ExampleId) -> u64 {
    match example {
        ExampleId::Seed(key) => *key,
        ExampleId::Name(name) => panic!("the world has no example {name}"),
    }
}

/// The configuration of the reference as settings of the engine. Where a stop condition means the
/// same in both, the engine's own is used.
fn settings(header: &Header) -> Settings {
    let reference = &header.config;
    let (parents_per_generation, batches_per_parent) = reference.sampling();
    Settings {
        run: RunSettings {
            gate_lag: 1,
            pareto_lag: 1,
            ..RunSettings::default()
        },
        search: SearchSettings {
            parent: reference.selector,
            frontier: reference.frontier,
            minibatch_size: reference.minibatch,
            parents_per_generation,
            batches_per_parent,
            keep_best: reference.keep_best(),
            components: reference.module_selector,
            acceptance: reference.acceptance,
            duplicates: Duplicates::Keep,
            reuse_in_flight: false,
            skip_perfect: reference.skip_perfect_score,
            perfect_score: reference.perfect_score.or(Some(1.0)),
            allow_overlap: vec![Overlap::TrainPareto],
            evaluation: Evaluation::Full,
            ..SearchSettings::default()
        },
        merge: MergeSettings {
            enabled: reference.use_merge,
            max_invocations: u32::MAX,
            overlap_floor: reference.merge_val_overlap_floor,
        },
        reflection: ReflectionSettings {
            max_attempts: 1,
            max_failures_in_a_row: u32::MAX,
            ..ReflectionSettings::default()
        },
        rollouts: RolloutSettings {
            max_failure_fraction: 1.0,
            ..RolloutSettings::default()
        },
        budget: budget(header),
        ..Settings::default()
    }
}

fn budget(header: &Header) -> BudgetSettings {
    let counts_proposals = header.config.sampling() == (1, 1);
    let mut budget = BudgetSettings {
        max_iterations: Some(u64::MAX),
        ..BudgetSettings::default()
    };
    for condition in &header.config.stops {
        let limit = condition[1].as_u64();
        match condition[0].as_str() {
            Some("iterations") if counts_proposals => {
                budget.max_iterations = budget.max_iterations.min(limit);
            }
            Some("no_improvement") if counts_proposals => {
                let present = budget.no_improvement_iterations;
                budget.no_improvement_iterations =
                    present.map_or(limit, |one| limit.min(Some(one)));
            }
            Some("score_threshold") => budget.target_score = condition[1].as_f64(),
            Some("tracked_candidates") => budget.max_candidates = limit.map(|limit| limit as u32),
            _ => {}
        }
    }
    budget
}
