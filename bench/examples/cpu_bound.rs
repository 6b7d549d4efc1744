//! Do evaluators that compute keep every core busy without blocking the run?
//!
//! Compares equal work per rollout in three ways: through `CpuEvaluator` on rayon's threads;
//! without a run, on as many threads as there are cores; and with an evaluator that waits for the
//! same time instead. Prints the number of busy cores, and the reaction time of the run: from an
//! injected candidate to its event, the median and the longest of many.
//!
//! `cargo run --release -p gepa-bench --example cpu_bound`

#[expect(dead_code, reason = "shared with programs that need more of it")]
#[path = "../benches/instant/mod.rs"]
mod instant;
#[expect(dead_code, reason = "only the kind of scores is needed here")]
#[path = "../benches/simulated/mod.rs"]
mod simulated;

use std::error::Error;
use std::hint::black_box;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gepa_archive::Candidate;
use gepa_engine::{EventBody, Fact};
use gepa_evaluation::{
    CpuBound, CpuEvaluator, Evaluation, Evaluator, EvaluatorInfo, Outcome, RolloutRequest,
};
use instant::{Until, World, cpu_seconds, drawn};
use simulated::Scores;

/// What a rollout computes, on an idle core.
const WORK: Duration = Duration::from_millis(5);
const ROLLOUTS: u64 = 2_000;
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rounds = calibrate();
    let cores = std::thread::available_parallelism()?;
    writeln!(
        stdout(),
        "{cores} cores, {ROLLOUTS} rollouts of {} ms\n\
         evaluator   wall s  cores busy  reaction ms: median  longest",
        WORK.as_millis()
    )?;
    alone(rounds, cores.get())?;
    report(
        "computes",
        Arc::new(CpuEvaluator::new(Computing { rounds })),
    )
    .await?;
    report("waits", Arc::new(Waiting)).await
}

/// The computations without a run: the speed of the machine at this moment.
fn alone(rounds: u64, threads: usize) -> Result<(), Box<dyn Error>> {
    let (began, used) = (Instant::now(), cpu_seconds());
    std::thread::scope(|scope| {
        for thread in 0..threads as u64 {
            scope.spawn(move || {
                for number in 0..ROLLOUTS / threads as u64 {
                    black_box(compute(number + thread, rounds));
                }
            });
        }
    });
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - used);
    writeln!(stdout(), "{:10}  {wall:6.2}  {:10.2}", "alone", cpu / wall)?;
    Ok(())
}

async fn report(name: &str, evaluator: Arc<dyn Evaluator>) -> Result<(), Box<dyn Error>> {
    let store = gepa_store::open("memory:")?;
    let run = World::new(Scores::Binary).run(&store, Until::Rollouts(ROLLOUTS), 1);
    let (began, used) = (Instant::now(), cpu_seconds());
    let run = run.evaluator(evaluator).start().await?;
    let (control, mut events) = (run.control(), run.subscribe());
    let prober = tokio::spawn(async move {
        let mut reactions = Vec::new();
        for number in 0.. {
            tokio::time::sleep(PAUSE).await;
            let text = format!("Handed in, number {number}.");
            let Ok(candidate) = Candidate::new([("instruction", text)]) else {
                break;
            };
            let asked = Instant::now();
            control.inject(candidate);
            loop {
                let Ok(batch) = events.recv().await else {
                    return reactions;
                };
                let mut bodies = batch.iter().map(|event| &event.body);
                if bodies.any(|body| matches!(body, EventBody::Fact(Fact::CandidateInjected(_)))) {
                    break;
                }
            }
            reactions.push(asked.elapsed());
        }
        reactions
    });
    run.finish().await?;
    let (wall, cpu) = (began.elapsed(), cpu_seconds() - used);
    let mut reactions = prober.await?;
    reactions.sort();
    let millis = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    writeln!(
        stdout(),
        "{name:10}  {:6.2}  {:10.2}  {:19.2}  {:7.2}",
        wall.as_secs_f64(),
        cpu / wall.as_secs_f64(),
        millis(reactions.get(reactions.len() / 2)),
        millis(reactions.last()),
    )?;
    Ok(())
}

struct Computing {
    rounds: u64,
}

impl CpuBound for Computing {
    fn evaluate(&self, request: &RolloutRequest) -> Evaluation {
        let word = compute(drawn(request), self.rounds);
        Evaluation::free(Outcome::score((word >> 63) as f64))
    }

    fn name(&self) -> String {
        "computing".to_owned()
    }
}

struct Waiting;

#[async_trait]
impl Evaluator for Waiting {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        tokio::time::sleep(WORK).await;
        Evaluation::free(Outcome::score((drawn(&request) >> 63) as f64))
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo::without_model("waiting")
    }
}

/// A chain of dependent multiplications.
fn compute(seed: u64, rounds: u64) -> u64 {
    (0..rounds).fold(seed, |word, round| {
        black_box(word ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

/// Rounds that take `WORK`, by the fastest of a few tries.
fn calibrate() -> u64 {
    const TRIED: u64 = 1_000_000;
    let fastest = (0..20)
        .map(|try_| {
            let began = Instant::now();
            black_box(compute(try_, TRIED));
            began.elapsed()
        })
        .min()
        .unwrap_or(WORK);
    (TRIED as f64 * WORK.as_secs_f64() / fastest.as_secs_f64()) as u64
}
