//! `gepa check --try`: one example of the seed, run for real.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gepa_configs::TaskConfig;
use gepa_evaluation::{Evaluation, Outcome, RolloutRequest, Scored, Stage};
use gepa_tasks::Services;

use crate::command::run::connect;
use crate::error::{CommandError, EXIT_FAILURES, EXIT_PROVIDER_DOWN};
use crate::format::{count, dollars, duration, one_line, score};
use crate::output::{err, people};
use crate::surroundings::block_on;

/// Longest text quoted from an output or a feedback.
const QUOTED: usize = 400;
/// Longest text quoted from a failure.
const QUOTED_FAILURE: usize = 2_000;

/// Runs the seed on the first pareto example and says what came of it.
pub(super) fn try_one(task: &TaskConfig) -> Result<ExitCode, CommandError> {
    block_on(async {
        let services = Services::new(task.environment().clone());
        let connected = connect(task, &services).await?;
        let config = &task.config;
        let Some(example) = config.sets().pareto.first() else {
            return Ok(ExitCode::SUCCESS);
        };
        let trial: Arc<str> = "check".into();
        let request = RolloutRequest {
            candidate: Arc::clone(config.seed()),
            example: example.clone(),
            run_id: Arc::clone(&trial),
            trial_id: trial,
            // This stage asks for what a reflection would see.
            stage: Stage::MinibatchParent,
            iteration: 0,
            trial_index: 0,
            attempt: 1,
        };
        let seconds = config.settings().rollouts.timeout_seconds.min(1e9);
        let began = Instant::now();
        let evaluating = connected.evaluator.evaluate(request);
        let evaluated = tokio::time::timeout(Duration::from_secs_f64(seconds), evaluating).await;
        let taken = duration(began.elapsed().as_secs_f64());
        let Ok(evaluation) = evaluated else {
            let _ = writeln!(
                err(),
                "error: example {example} had no outcome within {taken}; `rollouts.timeout_seconds` sets the limit"
            );
            return Ok(ExitCode::from(EXIT_FAILURES));
        };
        say(&evaluation, &example.to_string(), &taken)
    })
}

fn say(evaluation: &Evaluation, example: &str, taken: &str) -> Result<ExitCode, CommandError> {
    let spent = evaluation.usage + evaluation.judge_usage;
    match &evaluation.outcome {
        Outcome::Scored(scored) => {
            let mut out = people();
            writeln!(
                out,
                "tried     example {example}: score {} in {taken}; {} tokens, {}",
                score(scored.score),
                count(spent.total_tokens()),
                dollars(spent.cost.dollars())
            )?;
            write_rest(&mut out, scored)?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Failed(failure) => {
            let _ = writeln!(
                err(),
                "error: example {example} failed after {taken} ({}): {}",
                failure.kind.as_str(),
                one_line(&failure.message, QUOTED_FAILURE)
            );
            Ok(ExitCode::from(if evaluation.provider_down {
                EXIT_PROVIDER_DOWN
            } else {
                EXIT_FAILURES
            }))
        }
    }
}

fn write_rest(out: &mut dyn Write, scored: &Scored) -> io::Result<()> {
    if let Some(output) = &scored.output {
        writeln!(out, "output    {}", one_line(output, QUOTED))?;
    }
    match &scored.feedback {
        Some(feedback) => writeln!(out, "feedback  {}", one_line(feedback, QUOTED)),
        None if scored.trace.is_none() => writeln!(
            out,
            "feedback  none, and no trace: the reflection model sees scores and outputs only"
        ),
        None => Ok(()),
    }
}
