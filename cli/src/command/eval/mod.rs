//! `gepa eval`

mod report;
mod side;

use std::io::Write;
use std::process::ExitCode;

use gepa_ablation::in_order;
use gepa_engine::ExampleId;
use gepa_models::Environment;

use crate::arguments::EvalArguments;
use crate::command::run::runtime;
use crate::error::{CommandError, EXIT_GATE};
use crate::output::people;
use crate::signals::Signals;
use crate::surroundings::{environment, show_notes, store_url};

use report::Report;
use side::Side;

/// Examples of the first block; each further block doubles the number.
const FIRST_BLOCK: usize = 16;

pub(crate) fn eval(arguments: &EvalArguments) -> Result<ExitCode, CommandError> {
    if !(0.5..1.0).contains(&arguments.confidence) {
        return Err(CommandError::Usage(format!(
            "`--confidence {}` is not a confidence; give a number from 0.5 to below 1, for example 0.95",
            arguments.confidence
        )));
    }
    let environment = environment()?;
    runtime()?.block_on(evaluate(arguments, &environment))
}

async fn evaluate(
    arguments: &EvalArguments,
    environment: &Environment,
) -> Result<ExitCode, CommandError> {
    let store = gepa_postgres::open(&store_url(&arguments.store, environment)).await?;
    let mut sides = side::sides(arguments, environment, &store).await?;
    if let Some(first) = sides.first() {
        show_notes(&first.task);
    }
    let examples = examples(arguments, &sides)?;
    for side in &mut sides {
        side.connect(&store, arguments.fresh).await?;
    }
    let cancelled = Signals::new().map_err(CommandError::Runtime)?.cancel();
    let mut count = FIRST_BLOCK.min(examples.len());
    let report = loop {
        for side in &mut sides {
            if *cancelled.borrow() {
                return Err(CommandError::Interrupted);
            }
            side.score(&store, &examples[..count], &cancelled).await?;
        }
        let report = Report::of(arguments, &sides, examples.len());
        if count == examples.len() || (!arguments.all && report.is_decided()) {
            break report;
        }
        count = (2 * count).min(examples.len());
    };
    report.write_files(arguments)?;
    let mut out = people();
    for line in report.lines() {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_GATE)
    })
}

/// The examples to run, in the order in which they are run.
fn examples(arguments: &EvalArguments, sides: &[Side]) -> Result<Vec<ExampleId>, CommandError> {
    use crate::arguments::EvalSet;
    let Some(side) = sides.first() else {
        return Ok(Vec::new());
    };
    let sets = side.task.config.sets();
    let chosen = match arguments.examples {
        EvalSet::Validation if sets.validation.is_empty() => &sets.pareto,
        EvalSet::Validation => &sets.validation,
        EvalSet::Pareto => &sets.pareto,
        EvalSet::Train => &sets.train,
    };
    if chosen.is_empty() {
        return Err(CommandError::Usage(
            "the set has no examples; name another one with `--examples`".to_owned(),
        ));
    }
    Ok(in_order(chosen))
}
