//! `gepa train`: runs a job file in this process or on a backend, and writes its result files.

mod announce;
pub(super) mod backend;
mod here;
mod there;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gepa_configs::{ConfigSource, TaskConfig};
use gepa_jobs::train::{Outcome, write_files};
use gepa_models::Environment;
use tokio::runtime::Runtime;

use crate::arguments::TrainArguments;
use crate::error::{CommandError, EXIT_FAILURES};
use crate::output::err;
use crate::surroundings::{environment, show_notes};
use announce::announce_end;

/// The default folder for results, beside the job file.
const RESULTS: &str = "results";

pub(crate) fn train(arguments: &TrainArguments) -> Result<ExitCode, CommandError> {
    note_ignored(arguments);
    let environment = with_named_files(environment()?, &arguments.env)?;
    let file = arguments.file()?;
    let source = ConfigSource {
        file,
        environment: &environment,
        overrides: &arguments.overrides,
        dialects: gepa_jobs::DIALECTS,
    };
    let task = source.load()?;
    show_notes(&task);
    let folder = results_folder(file, &task);
    // A job whose results cannot be written must not start.
    std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    let runtime = Runtime::new().map_err(CommandError::Runtime)?;
    let ended = match &arguments.backend {
        Some(url) => runtime.block_on(there::run(&task, url, arguments))?,
        None => Some(runtime.block_on(here::run(task, arguments))?),
    };
    let Some(outcome) = ended else {
        return Ok(ExitCode::SUCCESS);
    };
    let written = write_files(&folder, &outcome).map_err(|error| cannot_write(&folder, &error))?;
    announce_end(&outcome, &written)?;
    Ok(exit_code(&outcome))
}

fn with_named_files(
    environment: Environment,
    files: &[PathBuf],
) -> Result<Environment, CommandError> {
    files.iter().try_fold(environment, |environment, file| {
        if !file.exists() {
            let message = format!("there is no file {}; correct `--env`", file.display());
            return Err(CommandError::Usage(message));
        }
        Ok(environment.overlaid_with(file)?)
    })
}

fn note_ignored(arguments: &TrainArguments) {
    for flag in arguments.ignored.given() {
        let _ = writeln!(err(), "note: {flag} has no effect on a prompt-learning job");
    }
}

fn results_folder(file: &Path, task: &TaskConfig) -> PathBuf {
    let beside = || file.parent().unwrap_or(Path::new("")).join(RESULTS);
    task.results_folder().map_or_else(beside, Path::to_owned)
}

fn cannot_write(folder: &Path, error: &std::io::Error) -> CommandError {
    let message = format!(
        "cannot write results to {}: {error}; give another `results_folder`",
        folder.display()
    );
    CommandError::Missing(message)
}

/// 0 if the job succeeded, executed rollouts, and scored its seed.
fn exit_code(outcome: &Outcome) -> ExitCode {
    if let Some(reason) = outcome.failure() {
        let _ = writeln!(err(), "error: {reason}");
        return ExitCode::from(outcome.failure_code.unwrap_or(EXIT_FAILURES));
    }
    // A limit can end a job before its seed is scored.
    outcome
        .failure_code
        .map_or(ExitCode::SUCCESS, ExitCode::from)
}
