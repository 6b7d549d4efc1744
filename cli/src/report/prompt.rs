//! Writes a candidate as a prompt.

use std::io::{self, Write};

use gepa_engine::record::{CandidateRow, RunRow};

use crate::format::indented;

/// Writes the messages in order. If there are several, each stands under its role and component.
pub(crate) fn write_prompt(
    out: &mut dyn Write,
    run: &RunRow,
    candidate: &CandidateRow,
    indent: &str,
) -> io::Result<()> {
    let sections = run.template.sections(&candidate.components);
    let is_single = sections.len() == 1;
    for section in &sections {
        if !is_single {
            let place = if section.name == section.role {
                section.role.clone()
            } else {
                format!("{}: {}", section.role, section.name)
            };
            writeln!(out, "{indent}[{place}]")?;
        }
        writeln!(out, "{}", indented(&section.content, indent))?;
    }
    Ok(())
}
