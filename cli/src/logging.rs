//! Logs on stderr, for operators.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::error::CommandError;

/// What is logged, in the form of tracing's filters; nothing unless it is set.
const FILTER_VARIABLE: &str = "GEPA_LOG";
/// `text` or `json`.
const FORM_VARIABLE: &str = "GEPA_LOG_FORMAT";

/// Starts logging if the environment asks for it.
pub(crate) fn begin() -> Result<(), CommandError> {
    let Ok(filter) = std::env::var(FILTER_VARIABLE) else {
        return Ok(());
    };
    let filter = EnvFilter::builder().parse(filter).map_err(|error| {
        CommandError::Usage(format!(
            "{FILTER_VARIABLE} cannot be read ({error}); write it like `info` or `info,gepa_evaluation=debug`"
        ))
    })?;
    // A span is told of when it ends, with the time it took.
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_span_events(FmtSpan::CLOSE)
        // Whoever closed stderr has seen enough; the run goes on.
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
