//! The report of a gate as JSON, as `JUnit`, and as a comment in Markdown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gepa_engine::record::RunRow;
use gepa_engine::verdict::{GateOutcome, GateReport, NamedReport, SliceReport, VerdictKind};
use serde_json::json;

use crate::arguments::GateArguments;
use crate::error::CommandError;

/// Writes the files that the arguments name.
pub(super) fn write(
    arguments: &GateArguments,
    run: &RunRow,
    report: &GateReport,
    journal: &str,
) -> Result<(), CommandError> {
    if let Some(path) = &arguments.json {
        let object = json!({
            "run_id": run.run_id,
            "name": run.name,
            "journal_events": run.summary.seq,
            "journal_blake3": journal,
            "gepa_version": env!("CARGO_PKG_VERSION"),
            "gate": report,
        });
        put(path, &(serde_json::to_string_pretty(&object)? + "\n"))?;
    }
    if let Some(path) = &arguments.junit {
        put(path, &junit(run, report))?;
    }
    if let Some(path) = &arguments.markdown {
        put(path, &markdown(run, report, journal))?;
    }
    Ok(())
}

/// Writes a file, or stdout if it is called `-`.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), CommandError> {
    if path == Path::new("-") {
        use std::io::Write as _;
        return Ok(crate::output::stdout().write_all(text.as_bytes())?);
    }
    fs::write(path, text).map_err(|error| {
        CommandError::Usage(format!(
            "cannot write `{}`: {error}; name a file in a folder that exists",
            path.display()
        ))
    })
}

/// A group of examples on one line.
pub(super) fn slice_line(slice: &SliceReport) -> String {
    let found = slice.comparison.as_ref().map_or_else(
        || "too few scores".to_owned(),
        |found| {
            format!(
                "{:+.3} [{:+.3}, {:+.3}], {} won, {} lost, of {}",
                found.difference.mean,
                found.difference.low,
                found.difference.high,
                found.won,
                found.lost,
                found.examples
            )
        },
    );
    let word = if slice.worse { "  worse" } else { "" };
    format!("{}: {found}{word}", slice.name)
}

/// An example that must not regress, on one line.
pub(super) fn named_line(example: &NamedReport) -> String {
    let score =
        |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |one| format!("{one}"));
    format!(
        "example {}: {} before, {} now",
        example.example,
        score(example.before),
        score(example.after)
    )
}

fn junit(run: &RunRow, report: &GateReport) -> String {
    let is_shown = matches!(
        report.overall,
        GateOutcome::Better | GateOutcome::NotInferior
    );
    let is_over = report.verdict.verdict != VerdictKind::Pending;
    // Without an example that could be compared there is no other case that fails.
    let cannot_compare =
        !report.named.is_empty() && report.named.iter().all(|example| example.held.is_none());
    let mut cases = vec![JunitCase {
        name: "overall".to_owned(),
        passed: Some(is_shown && is_over && !cannot_compare),
        found: report.sentence.clone(),
    }];
    cases.extend(report.slices.iter().map(|slice| JunitCase {
        name: slice.name.clone(),
        passed: Some(!slice.worse),
        found: slice_line(slice),
    }));
    cases.extend(report.named.iter().map(|example| JunitCase {
        name: format!("example {}", example.example),
        passed: example.held,
        found: named_line(example),
    }));
    junit_of(&format!("gepa gate {}", run.run_id), &cases)
}

/// A test case of a `JUnit` file.
pub(crate) struct JunitCase {
    pub(crate) name: String,
    /// `None` if there was nothing to decide on.
    pub(crate) passed: Option<bool>,
    pub(crate) found: String,
}

/// A `JUnit` file of cases.
pub(crate) fn junit_of(suite: &str, cases: &[JunitCase]) -> String {
    let count = |passed| cases.iter().filter(|case| case.passed == passed).count();
    let (failed, skipped) = (count(Some(false)), count(None));
    let suite = escaped(suite);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        text,
        "<testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failed}\" skipped=\"{skipped}\">",
        cases.len()
    );
    for case in cases {
        let (name, found) = (escaped(&case.name), escaped(&case.found));
        let content = match case.passed {
            Some(true) => format!("<system-out>{found}</system-out>"),
            Some(false) => format!("<failure message=\"{found}\"/>"),
            None => format!("<skipped message=\"{found}\"/>"),
        };
        let _ = writeln!(
            text,
            "  <testcase classname=\"{suite}\" name=\"{name}\">{content}</testcase>"
        );
    }
    text.push_str("</testsuite>\n");
    text
}

/// Text as XML; characters that XML cannot hold become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(' '),
            one if one.is_control() || one == '\u{fffe}' || one == '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            one => out.push(one),
        }
    }
    out
}

fn markdown(run: &RunRow, report: &GateReport, journal: &str) -> String {
    let mark = if report.passed {
        "passed"
    } else {
        "not passed"
    };
    let mut text = format!("### gepa gate: {mark}\n\n{}\n\n", cell(&report.sentence));
    if let Some(found) = &report.evidence {
        let comparison = &found.comparison;
        let difference = &comparison.difference;
        let _ = writeln!(
            text,
            "| | seed | best | difference | examples |\n|---|---|---|---|---|\n| all | {:.3} | {:.3} | {:+.3} \
             [{:+.3}, {:+.3}] | {} |",
            comparison.before,
            comparison.after,
            difference.mean,
            difference.low,
            difference.high,
            comparison.examples
        );
        for slice in &report.slices {
            let _ = match &slice.comparison {
                Some(found) => writeln!(
                    text,
                    "| {}{} | {:.3} | {:.3} | {:+.3} [{:+.3}, {:+.3}] | {} |",
                    cell(&slice.name),
                    if slice.worse { " (worse)" } else { "" },
                    found.before,
                    found.after,
                    found.difference.mean,
                    found.difference.low,
                    found.difference.high,
                    found.examples
                ),
                None => writeln!(text, "| {} | | | too few scores | |", cell(&slice.name)),
            };
        }
        text.push('\n');
    }
    for example in report
        .named
        .iter()
        .filter(|example| example.held == Some(false))
    {
        let _ = writeln!(text, "- {}", cell(&named_line(example)));
    }
    for line in report.verdict.details() {
        let _ = writeln!(text, "- {}", cell(&line));
    }
    let _ = writeln!(
        text,
        "\nrun `{}`, journal `{}` ({} events)",
        run.run_id,
        &journal[..journal.len().min(16)],
        run.summary.seq
    );
    text
}

/// Text that cannot break a table or become markup.
pub(crate) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '|' | '`' | '<' | '>' | '*' | '_' | '\\' | '@' => {
                out.push('\\');
                out.push(one);
            }
            '\n' | '\r' => out.push(' '),
            one => out.push(one),
        }
    }
    out
}
