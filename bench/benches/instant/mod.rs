//! A world in which evaluation takes no time, so that the engine's own work remains.
//!
//! Scores are drawn by hash from candidate and example. The reflection model answers every prompt
//! with a different text. A child that is no worse on its minibatch passes. So about every other
//! proposal enters the archive, which grows until its limit.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use gepa_archive::Candidate;
use gepa_engine::config::{Acceptance, BudgetSettings, Evaluation as Rows};
use gepa_engine::{
    Config, Decision, Event, EventBody, ExampleSets, Fact, Run, RunBuilder, RunError, RunResult,
    Settings, Store,
};
use gepa_evaluation::{
    Evaluation, Evaluator, EvaluatorInfo, ExampleId, Outcome, PromptMessage, PromptTemplate,
    RolloutRequest, Scored,
};
use gepa_testing::ScriptedModel;
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use crate::simulated::Scores;

const TRAIN: u64 = 300;

/// The sizes of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) scores: Scores,
    /// Pareto examples.
    pub(crate) pareto: u64,
    /// Most candidates in the archive; all if absent.
    pub(crate) archive_max_size: Option<u32>,
    /// How much of the pareto set a candidate is run on.
    pub(crate) rows: Rows,
    /// Whether outcomes have feedback and traces, as real outcomes do.
    pub(crate) explains: bool,
}

/// The limit that ends a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Candidates(u32),
    Rollouts(u64),
}

impl World {
    pub(crate) fn new(scores: Scores) -> Self {
        Self {
            scores,
            pareto: 50,
            archive_max_size: None,
            rows: Rows::Full,
            explains: false,
        }
    }

    /// A run in this world.
    pub(crate) fn run(self, store: &Arc<dyn Store>, until: Until, seed: u64) -> RunBuilder {
        let answers = AtomicU64::new(0);
        let reflector = ScriptedModel::answering(move |_| {
            let answer = answers.fetch_add(1, Ordering::Relaxed);
            format!("```\nClassify the query, in manner {answer}.\n```")
        });
        Run::builder(self.config(until, seed))
            .store(Arc::clone(store))
            .evaluator(Arc::new(Instant { world: self }))
            .reflection_model(Arc::new(reflector))
    }

    fn config(self, until: Until, seed: u64) -> Config {
        let mut budget = BudgetSettings::default();
        budget.max_rollouts = Some(100_000_000);
        match until {
            Until::Candidates(count) => budget.max_candidates = Some(count),
            Until::Rollouts(count) => budget.max_rollouts = Some(count),
        }
        let mut settings = Settings::default();
        settings.run.seed = seed;
        // Wide enough that the engine has something to do.
        settings.run.gate_lag = 4;
        settings.run.pareto_lag = 8;
        settings.search.acceptance = Acceptance::ImprovementOrEqual;
        settings.search.archive_max_size = self.archive_max_size;
        settings.search.evaluation = self.rows;
        settings.reflection.hypotheses = Some(1);
        settings.reflection.memory = Some(0);
        settings.budget = budget;
        let text = "Classify the query.";
        let prompt = PromptTemplate {
            messages: vec![PromptMessage {
                role: "system".to_owned(),
                component: Some("instruction".to_owned()),
                pattern: text.to_owned(),
            }],
        };
        let sets = ExampleSets {
            train: ids(0, TRAIN),
            pareto: ids(TRAIN, self.pareto),
            validation: Vec::new(),
        };
        let candidate = Candidate::new([("instruction", text)]).expect("it has a component");
        Config::new(candidate, prompt, sets, settings).expect("nothing in it is invalid")
    }
}

fn ids(from: u64, count: u64) -> Vec<ExampleId> {
    (from..from + count).map(ExampleId::Seed).collect()
}

/// Answers at once.
struct Instant {
    world: World,
}

#[async_trait]
impl Evaluator for Instant {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let word = drawn(&request);
        let score = match self.world.scores {
            Scores::Binary => (word >> 63) as f64,
            Scores::Continuous => (word >> 11) as f64 / (1_u64 << 53) as f64,
        };
        let mut scored = Scored {
            score,
            ..Scored::default()
        };
        if self.world.explains {
            let mut feedback = "expected `card_arrival`, got `".to_owned();
            // Writing to a string cannot fail.
            let _ = write!(feedback, "intent_{}`", word % 77);
            scored.output = Some(format!("intent_{}", word % 77));
            scored.feedback = Some(feedback);
            if request.wants_trace() {
                scored.trace = Some(serde_json::json!({
                    "Inputs": format!("When will my card number {word} arrive?"),
                    "Generated Outputs": format!("intent_{}", word % 77),
                }));
            }
        }
        Evaluation::free(Outcome::Scored(scored))
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("instant")
    }
}

/// A word that depends only on candidate and example.
pub(crate) fn drawn(request: &RolloutRequest) -> u64 {
    let content = request.candidate.content_id();
    let mut word = content.as_bytes()[..8]
        .iter()
        .fold(0, |word: u64, byte| (word << 8) | u64::from(*byte));
    if let ExampleId::Seed(seed) = request.example {
        word ^= seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Seconds of processor that all threads of this process have used.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The rollouts and the processor time of a run at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) rollouts: u64,
    pub(crate) candidates: u64,
    /// Seconds of processor.
    pub(crate) cpu: f64,
}

/// Notes a mark at certain sizes of the archive.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    sizes: Vec<u64>,
    state: Mutex<(Mark, Vec<Mark>)>,
}

impl Meter {
    /// A meter for these sizes, ascending.
    pub(crate) fn at(sizes: Vec<u64>) -> Arc<Self> {
        Arc::new(Self {
            sizes,
            state: Mutex::default(),
        })
    }

    /// The marks reached so far, one per size.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.state.lock().1.clone()
    }

    /// Runs to the end under this meter.
    pub(crate) async fn finish(&self, run: RunBuilder) -> Result<RunResult, RunError> {
        gepa_bench::watched(run, |events| self.see(events)).await
    }

    fn see(&self, events: &[Event]) {
        let mut state = self.state.lock();
        let (now, marks) = &mut *state;
        for event in events {
            match &event.body {
                EventBody::Fact(Fact::RolloutSettled(_)) => now.rollouts += 1,
                EventBody::Decision(Decision::CandidateAccepted(_)) => now.candidates += 1,
                _ => {}
            }
        }
        let reached = self.sizes.get(marks.len());
        if reached.is_some_and(|size| now.candidates >= *size) {
            now.cpu = cpu_seconds();
            marks.push(*now);
        }
    }
}
