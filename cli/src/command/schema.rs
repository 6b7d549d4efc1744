//! `gepa schema`

use std::io::Write;
use std::process::ExitCode;

use gepa_configs::config_schema;

use crate::error::CommandError;
use crate::output::stdout;

pub(crate) fn schema() -> Result<ExitCode, CommandError> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, &config_schema())?;
    writeln!(out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
