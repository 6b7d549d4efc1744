//! Writes logs for operators to stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::error::CommandError;

/// The filter of logs, in the form of tracing's filters. Without it there are no logs.
const FILTER_VARIABLE: &str = "GEPA_LOG";
/// `text` or `json`.
const FORM_VARIABLE: &str = "GEPA_LOG_FORMAT";

/// What `--verbose` shows: the stderr of evaluators and other programs.
const VERBOSE: &str = "gepa_program=info";

/// Starts logging if the environment sets the filter, or if the user wants to see what programs write.
pub(crate) fn begin(is_verbose: bool) -> Result<(), CommandError> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(filter) if is_verbose => format!("{filter},{VERBOSE}"),
        Ok(filter) => filter,
        Err(_) if is_verbose => VERBOSE.to_owned(),
        Err(_) => return Ok(()),
    };
    let filter = EnvFilter::builder().parse(filter).map_err(|error| {
        CommandError::Usage(format!(
            "{FILTER_VARIABLE} cannot be read ({error}); write it like `info` or `info,gepa_evaluation=debug`"
        ))
    })?;
    // A span is logged when it ends, with its duration.
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_span_events(FmtSpan::CLOSE)
        // If stderr is closed, the run continues.
        .log_internal_errors(false);
    match std::env::var(FORM_VARIABLE).as_deref() {
        Ok("json") => logs.json().init(),
        Ok("text") | Err(_) => logs.init(),
        Ok(other) => {
            return Err(CommandError::Usage(format!(
                "{FORM_VARIABLE} is `{other}`; it can be `text` or `json`"
            )));
        }
    }
    Ok(())
}
