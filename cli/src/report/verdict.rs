//! The verdict on a run.

use std::io::{self, Write};

use gepa_engine::verdict::Verdict;

/// Writes the verdict, and what else is known, one fact a line.
pub(super) fn write_verdict(out: &mut dyn Write, verdict: &Verdict) -> io::Result<()> {
    writeln!(out, "verdict   {}", verdict.sentence)?;
    for line in verdict.details() {
        writeln!(out, "          {line}")?;
    }
    Ok(())
}
