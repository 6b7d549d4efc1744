//! `gepa schema`

use std::io::Write;
use std::process::ExitCode;

use gepa_configs::CONFIG_SCHEMA;

use crate::error::CommandError;
use crate::output::stdout;

pub(crate) fn schema() -> Result<ExitCode, CommandError> {
    let mut out = stdout();
    out.write_all(CONFIG_SCHEMA.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
