//! What batches (protocol 2) gain over single rollouts (protocol 1) for an evaluator in Python that
//! needs 5 ms for a call and 0.1 ms for each example of it. One example of 64 fails.
//!
//! Whole runs of one trial, engine and store included, in turn. The bound is what the evaluator's own
//! times allow.
//!
//! `cargo run --release -p gepa-bench --example process_batches`

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use gepa_archive::Candidate;
use gepa_engine::config::{Evaluation as Rows, Settings};
use gepa_engine::{Config, ExampleSets, Run};
use gepa_evaluation::{ExampleId, PromptTemplate};
use gepa_tasks::process::{ProcessEvaluator, ProcessSettings};
use gepa_testing::ScriptedModel;

const CALL_SECONDS: f64 = 0.005;
const EXAMPLE_SECONDS: f64 = 0.0001;
const BATCH: u32 = 64;

/// Waits as long as the work would take, and answers.
const SCRIPT: &str = "
import json, sys, time
protocol, batch = int(sys.argv[1]), int(sys.argv[2])
call, example = float(sys.argv[3]), float(sys.argv[4])
print(json.dumps({'protocol': protocol, 'batch': batch}), flush=True)
answered = 0
def answer(row):
    global answered
    answered += 1
    failed = {'error': 'it cannot be judged'}
    return json.dumps({'id': row['id'], **(failed if answered % 64 == 0 else {'score': 1})})
for line in sys.stdin:
    ask = json.loads(line)
    rows = ask.get('examples', [ask])
    time.sleep(call + example * len(rows))
    print('\\n'.join(answer(row) for row in rows), flush=True)
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut out = stdout();
    writeln!(
        out,
        "processes  protocol  rollouts/s   bound   reached  protocol 2 / 1"
    )?;
    for processes in [1, 4] {
        let mut rates = Vec::new();
        for (protocol, batch, rollouts) in [(1, 1, 400), (2, BATCH, 12_800)] {
            let rate = rollouts_per_second(protocol, batch, processes, rollouts).await?;
            rates.push(rate);
            let size = f64::from(batch);
            let bound = processes as f64 * size / (CALL_SECONDS + EXAMPLE_SECONDS * size);
            let gain = if protocol == 2 {
                format!("{:.1}", rates[1] / rates[0])
            } else {
                String::new()
            };
            writeln!(
                out,
                "{processes:9}  {protocol:8}  {rate:10.0}  {bound:6.0}  {:7.0} %  {gain:>14}",
                100.0 * rate / bound
            )?;
        }
    }
    Ok(())
}

async fn rollouts_per_second(
    protocol: u32,
    batch: u32,
    processes: usize,
    rollouts: u64,
) -> Result<f64, Box<dyn Error>> {
    let program = ["python3", "-c", SCRIPT].map(str::to_owned).into_iter();
    let arguments = [protocol, batch].map(|number| number.to_string());
    let times = [CALL_SECONDS, EXAMPLE_SECONDS].map(|seconds| seconds.to_string());
    let settings = ProcessSettings {
        processes,
        ..ProcessSettings::for_command(program.chain(arguments).chain(times))
    };
    let evaluator = ProcessEvaluator::start(&settings, Path::new("."), None).await?;
    let mut settings = Settings::default();
    // The seed is run on every example.
    settings.search.evaluation = Rows::Full;
    settings.run.max_concurrent = batch * processes as u32;
    settings.budget.max_iterations = Some(0);
    let ids = |from: u64, count: u64| (from..from + count).map(ExampleId::Seed).collect();
    let sets = ExampleSets {
        train: ids(rollouts, 3),
        pareto: ids(0, rollouts),
        validation: Vec::new(),
    };
    let seed = Candidate::new([("instruction", "Answer.")])?;
    let config = Config::new(seed, PromptTemplate::default(), sets, settings)?;
    let run = Run::builder(config)
        .store(gepa_store::open("memory:")?)
        .evaluator(Arc::new(evaluator))
        .reflection_model(Arc::new(ScriptedModel::answering(|_| String::new())));
    let begun = Instant::now();
    let result = run.start().await?.finish().await?;
    let seconds = begun.elapsed().as_secs_f64();
    let counters = &result.run.summary.counters;
    let expected = rollouts / u64::from(BATCH);
    if counters.failed_rollouts.abs_diff(expected) > processes as u64 {
        let failed = counters.failed_rollouts;
        return Err(format!("{failed} rollouts failed instead of {expected}").into());
    }
    Ok(counters.total_rollouts as f64 / seconds)
}
