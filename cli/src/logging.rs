//! Writes logs for operators to stderr, and those that a run keeps to its file.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::error::CommandError;
use crate::output::err;
use crate::run_log::{self, RunLogWriter};

/// The filter of logs, in the form of tracing's filters. Without it there are no logs.
const FILTER_VARIABLE: &str = "GEPA_LOG";
/// `text` or `json`.
const FORM_VARIABLE: &str = "GEPA_LOG_FORMAT";

/// What `--verbose` shows: the stderr of evaluators and other programs.
const VERBOSE: &str = "gepa_program=info";

/// What the log file of a run keeps.
const KEPT: &str = "warn,gepa_program=info";

/// What to log beside what the environment asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// What programs write, on stderr.
    pub(crate) programs: bool,
    /// What programs write and warnings, in the log file of the run.
    pub(crate) run_log: bool,
}

/// Starts logging if the environment sets the filter, or if the user wants to see or to keep something.
pub(crate) fn begin(wanted: Wanted) -> Result<(), CommandError> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(filter) if wanted.programs => Some(format!("{filter},{VERBOSE}")),
        Ok(filter) => Some(filter),
        Err(_) => wanted.programs.then(|| VERBOSE.to_owned()),
    };
    let kept = wanted.run_log.then(|| {
        run_log::begin();
        fmt::layer()
            .with_writer(RunLogWriter)
            .with_ansi(false)
            .log_internal_errors(false)
            .with_filter(EnvFilter::new(KEPT))
    });
    let shown = filter.map(shown).transpose()?;
    if kept.is_some() || shown.is_some() {
        tracing_subscriber::registry().with(kept).with(shown).init();
    }
    Ok(())
}

/// The logs on stderr.
fn shown<S>(filter: String) -> Result<Box<dyn Layer<S> + Send + Sync>, CommandError>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let filter = EnvFilter::builder().parse(filter).map_err(|error| {
        CommandError::Usage(format!(
            "{FILTER_VARIABLE} cannot be read ({error}); write it like `info` or `info,gepa_evaluation=debug`"
        ))
    })?;
    // A span is logged when it ends, with its duration.
    let logs = fmt::layer()
        // Lines of programs are among the logs, and nothing that a terminal obeys may be.
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        // If stderr is closed, the run continues.
        .log_internal_errors(false);
    match std::env::var(FORM_VARIABLE).as_deref() {
        Ok("json") => Ok(logs
            .json()
            .with_writer(io::stderr)
            .with_filter(filter)
            .boxed()),
        Ok("text") | Err(_) => Ok(logs.with_writer(err).with_filter(filter).boxed()),
        Ok(other) => Err(CommandError::Usage(format!(
            "{FORM_VARIABLE} is `{other}`; it can be `text` or `json`"
        ))),
    }
}
