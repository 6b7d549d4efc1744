//! What an ablation found, for people and programs.

use std::fmt::Write as _;
use std::io::Write as _;

use gepa_ablation::{AblationReport, Finding};

use crate::arguments::AblateArguments;
use crate::command::gate::put;
use crate::error::CommandError;
use crate::format::{count, difference, one_line};
use crate::output::{err, people, stdout};

/// Characters of a part that are printed.
const QUOTED: usize = 72;

/// Writes the findings to stderr and files, and the shorter prompt to stdout.
pub(super) fn write(
    report: &AblationReport,
    arguments: &AblateArguments,
) -> Result<(), CommandError> {
    let mut err = err();
    let _ = err.write_all(text(report).as_bytes());
    let is_json_on_stdout = arguments
        .json
        .as_deref()
        .is_some_and(|path| path == std::path::Path::new("-"));
    if let Some(path) = &arguments.json {
        put(path, &(serde_json::to_string_pretty(report)? + "\n"))?;
    }
    let Some(shorter) = report.shorter.as_ref().filter(|one| one.is_proposed) else {
        return Ok(());
    };
    if let Some(path) = &arguments.output {
        put(
            path,
            &(serde_json::to_string_pretty(&shorter.components)? + "\n"),
        )?;
    }
    if is_json_on_stdout {
        return Ok(stdout().flush()?);
    }
    let mut out = people();
    for (name, text) in &shorter.components {
        if shorter.components.len() > 1 {
            writeln!(out, "[{name}]")?;
        }
        writeln!(out, "{}", text.as_str().unwrap_or_default())?;
    }
    Ok(out.flush()?)
}

fn text(report: &AblationReport) -> String {
    let mut text = format!(
        "{}: {} parts, about {} tokens; {} rollouts executed\n",
        report.run_id,
        report.parts.len(),
        count(report.tokens),
        count(report.executed)
    );
    let _ = writeln!(
        text,
        "{:>4} {:>6}  {:<10}  without it",
        "part", "tokens", "finding"
    );
    for (number, part) in (1..).zip(&report.parts) {
        let shown = match part.difference {
            Some(found) => difference(found),
            None if part.finding == Finding::Fixed => "holds a wildcard".to_owned(),
            None => "not run: the budget was used up".to_owned(),
        };
        let _ = writeln!(
            text,
            "{number:>4} {:>6}  {:<10}  {shown}\n{:>25}{}",
            part.tokens,
            part.finding.as_str(),
            "",
            one_line(&part.text, QUOTED)
        );
    }
    text.push_str(&conclusion(report));
    text
}

fn conclusion(report: &AblationReport) -> String {
    let Some(shorter) = &report.shorter else {
        return match report.tried_together {
            None => "no shorter prompt: every part earns its tokens or is undecided\n".to_owned(),
            Some(_) => {
                "no shorter prompt: what each part does, others do as well, and the budget or the \
                        examples did not suffice to find out which\n"
                    .to_owned()
            }
        };
    };
    let mut text = format!(
        "shorter prompt: {} of {} parts go, {} of {} tokens stay\n",
        shorter.removed.len(),
        report.parts.len(),
        count(shorter.tokens),
        count(report.tokens)
    );
    let set = if report.check_is_held_out {
        "held-out"
    } else {
        "pareto"
    };
    let _ = match shorter.difference {
        Some(found) => writeln!(
            text,
            "on {} {set} examples: {}",
            shorter.examples,
            difference(found)
        ),
        None => writeln!(
            text,
            "it was not checked as a whole: the budget was used up"
        ),
    };
    text.push_str(match (shorter.is_proposed, shorter.is_within_margin) {
        (false, _) => "it is not proposed\n",
        (true, true) => "proposed: it loses less than the margin\n",
        (true, false) => {
            "proposed: it is not shown to be worse, but these examples cannot show that it loses less than the margin\n"
        }
    });
    text
}
