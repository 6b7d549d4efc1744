//! `gepa show RUN --config`

use std::io::{self, Write};

use gepa_configs::stored_as_toml;
use gepa_engine::record::RunRow;
use serde_json::Value;

/// The run's config as a file that `gepa run` takes.
pub(super) fn write(out: &mut dyn Write, run: &RunRow) -> io::Result<()> {
    let limits = run.summary.limits.as_ref();
    let limits: Option<Value> = limits.and_then(|limits| serde_json::to_value(limits).ok());
    let Some(text) = stored_as_toml(&run.config, limits.as_ref()) else {
        return writeln!(
            out,
            "# {} stored no config: a program began it with settings of its own",
            run.run_id
        );
    };
    writeln!(out, "# The config of {}.", run.run_id)?;
    if limits.is_some() {
        writeln!(out, "# `[budget]` holds the limits in force.")?;
    }
    write!(out, "\n{text}")
}
