//! The abstract task, and one run on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gepa_archive::Candidate;
use gepa_engine::config::{Acceptance, Evaluation as Rows};
use gepa_engine::{Config, ExampleSets, Run, Settings};
use gepa_evaluation::{
    ChatRequest, Completion, Evaluation, Evaluator, EvaluatorInfo, ExampleId, FinishReason,
    LanguageModel, ModelError, ModelInfo, Outcome, PromptTemplate, RolloutRequest, Stage, Usage,
};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use gepa_bench::draws::Key;
use gepa_bench::schedules::Mode;

const ROLLOUT_SECONDS: f64 = 2.0;
const ROLLOUT_SIGMA: f64 = 0.6;
const REFLECTION_SECONDS: f64 = 20.0;
const REFLECTION_SIGMA: f64 = 0.35;
const ACCEPTED_FRACTION: f64 = 0.25;

/// Which clock a run is measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// The runtime's paused one.
    Virtual,
    /// The machine's.
    Real {
        /// What all latencies are divided by.
        faster: f64,
    },
}

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) pareto: u64,
    pub(crate) rollouts: u64,
}

/// The figures of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) wall_seconds: f64,
    /// Wall-clock over executed rollouts x mean latency / slots.
    pub(crate) times_the_limit: f64,
    /// Seconds of rollouts over seconds of slots, 0 to 1.
    pub(crate) utilisation: f64,
    pub(crate) accepted: f64,
}

struct Task {
    seed: u64,
    /// Texts in a reply of the reflection model.
    texts: u32,
    faster: f64,
    busy_micros: AtomicU64,
    rollouts: AtomicU64,
    reflections: AtomicU64,
}

impl Size {
    pub(crate) const fn new(pareto: u64, rollouts: u64) -> Self {
        Self { pareto, rollouts }
    }

    /// The least time any schedule could take.
    pub(crate) fn limit_seconds(self, slots: u32) -> f64 {
        self.rollouts as f64 * ROLLOUT_SECONDS / f64::from(slots)
    }
}

/// Runs the engine once. Seconds are those of the task, for any speed of the clock.
pub(crate) fn measure(mode: &Mode, size: Size, slots: u32, seed: u64, clock: Clock) -> Measured {
    let mut builder = match clock {
        Clock::Virtual => Builder::new_current_thread(),
        Clock::Real { .. } => Builder::new_multi_thread(),
    };
    let is_virtual = matches!(clock, Clock::Virtual);
    let runtime = builder
        .enable_time()
        .start_paused(is_virtual)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    let faster = match clock {
        Clock::Virtual => 1.0,
        Clock::Real { faster } => faster,
    };
    runtime.block_on(run(mode, size, slots, seed, faster))
}

async fn run(mode: &Mode, size: Size, slots: u32, seed: u64, faster: f64) -> Measured {
    let config = config(mode, size, slots, seed);
    let task = Arc::new(Task {
        seed,
        texts: config.settings().hypotheses(),
        faster,
        busy_micros: AtomicU64::new(0),
        rollouts: AtomicU64::new(0),
        reflections: AtomicU64::new(0),
    });
    let began = Instant::now();
    let run = Run::builder(config)
        .store(gepa_store::open("memory:").expect("memory opens"))
        .evaluator(Arc::clone(&task) as Arc<dyn Evaluator>)
        .reflection_model(Arc::clone(&task) as Arc<dyn LanguageModel>)
        .start()
        .await
        .expect("the budget covers a proposal");
    let result = run.finish().await.expect("memory does not fail");
    let wall_seconds = began.elapsed().as_secs_f64() * faster;
    let busy = task.busy_micros.load(Ordering::Relaxed) as f64 / 1e6;
    let rollouts = task.rollouts.load(Ordering::Relaxed) as f64;
    Measured {
        wall_seconds,
        times_the_limit: wall_seconds / (rollouts * ROLLOUT_SECONDS / f64::from(slots)),
        utilisation: busy / (f64::from(slots) * wall_seconds),
        accepted: result.run.summary.counters.candidates_accepted as f64 - 1.0,
    }
}

fn config(mode: &Mode, size: Size, slots: u32, seed: u64) -> Config {
    let ids = |from: u64, count: u64| (from..from + count).map(ExampleId::Seed).collect();
    let mut settings = Settings::default();
    settings.search.evaluation = Rows::Full;
    settings.run.seed = seed;
    settings.run.max_concurrent = slots;
    settings.search.acceptance = Acceptance::StrictImprovement;
    settings.reflection.max_concurrent = 1_000;
    settings.budget.max_rollouts = Some(size.rollouts);
    mode.apply(&mut settings);
    let sets = ExampleSets {
        train: ids(0, 1_000),
        pareto: ids(10_000, size.pareto),
        validation: Vec::new(),
    };
    let candidate = Candidate::new([("prompt", "seed")]).expect("one named component");
    Config::new(candidate, PromptTemplate::default(), sets, settings).expect("valid settings")
}

#[async_trait]
impl Evaluator for Task {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let content = request.candidate.content_id().to_string();
        let key = format!("{content} {} {}", request.example, request.trial_index);
        let seconds = self.place(&key).log_normal(ROLLOUT_SECONDS, ROLLOUT_SIGMA);
        self.wait(seconds).await;
        let micros = (seconds * 1e6) as u64;
        self.busy_micros.fetch_add(micros, Ordering::Relaxed);
        self.rollouts.fetch_add(1, Ordering::Relaxed);
        let passes = self.place(&content).happens(ACCEPTED_FRACTION);
        let score = match request.stage {
            Stage::MinibatchParent => 0.5,
            Stage::MinibatchChild => f64::from(u8::from(passes)),
            _ => self.place(&format!("{key} score")).unit(),
        };
        Evaluation::free(Outcome::score(score))
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("abstract")
    }
}

#[async_trait]
impl LanguageModel for Task {
    async fn complete(&self, _request: ChatRequest) -> Result<Completion, ModelError> {
        let number = self.reflections.fetch_add(1, Ordering::Relaxed);
        let place = self.place(&format!("reflection {number}"));
        let seconds = place.log_normal(REFLECTION_SECONDS, REFLECTION_SIGMA);
        self.wait(seconds).await;
        let texts = (0..self.texts).map(|text| format!("```\ntext {number}.{text}\n```\n"));
        Ok(Completion {
            text: texts.collect(),
            reasoning: None,
            finish_reason: FinishReason::Stop,
            tool_calls: Vec::new(),
            usage: Usage::default(),
        })
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: "none".to_owned(),
            model: "abstract".to_owned(),
        }
    }
}

impl Task {
    async fn wait(&self, seconds: f64) {
        sleep(Duration::from_secs_f64(seconds / self.faster)).await;
    }

    fn place(&self, what: &str) -> Key {
        Key::of_text(what).with(self.seed)
    }
}
