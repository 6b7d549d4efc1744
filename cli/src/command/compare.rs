//! `gepa compare`

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::ExitCode;

use gepa_engine::record::RunRow;
use gepa_engine::verdict::CONFIDENCE;
use gepa_server::BestOfRuns;
use gepa_statistics::interval_of_means;
use serde_json::Value;

use crate::arguments::CompareArguments;
use crate::error::CommandError;
use crate::format::{cost, count, difference, duration, estimate, one_line, score};
use crate::output::people;
use crate::surroundings::{block_on, check_is_search, existing_store, find_run};

/// Settings that say nothing about how a run searches.
const NAMES: [&str; 2] = ["run.name", "run.seed"];
/// Characters of a setting that are printed.
const QUOTED: usize = 60;

type Figure = (&'static str, fn(&RunRow) -> String);

const FIGURES: &[Figure] = &[
    ("name", |run| one_line(&run.name, QUOTED)),
    ("status", |run| run.summary.status.as_str().to_owned()),
    ("baseline", |run| shown(run.summary.baseline_score)),
    ("best", |run| shown(run.summary.best_score)),
    ("baseline, held out", |run| {
        shown(run.summary.baseline_validation_score)
    }),
    ("best, held out", |run| {
        shown(run.summary.best_validation_score)
    }),
    ("rollouts", |run| count(run.summary.counters.total_rollouts)),
    ("candidates tried", |run| {
        count(run.summary.counters.trials_tried)
    }),
    ("accepted", |run| {
        count(run.summary.counters.candidates_accepted)
    }),
    ("tokens", |run| count(run.summary.counters.total_tokens)),
    ("cost", |run| {
        let counters = &run.summary.counters;
        cost(counters.total_cost_usd(), counters.unpriced_calls)
    }),
    ("running time", |run| duration(run.summary.active_seconds)),
];

pub(crate) fn compare(arguments: &CompareArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let store = existing_store(&arguments.store).await?;
        let mut runs: Vec<RunRow> = Vec::new();
        for name in &arguments.runs {
            let run = find_run(&*store, name).await?;
            check_is_search(
                &run,
                "set beside searches (`gepa eval --against RUN` compares a prompt with a run's best)",
            )?;
            if runs.iter().any(|other| other.run_id == run.run_id) {
                return Err(CommandError::Usage(format!(
                    "`{name}` names run {} again; name each run once",
                    run.run_id
                )));
            }
            runs.push(run);
        }
        let mut out = people();
        write_figures(&mut out, &runs)?;
        write_settings(&mut out, &runs)?;
        write_repetitions(&mut out, &runs)?;
        if let Some((first, others)) = runs.split_first() {
            writeln!(
                out,
                "\nheld-out examples, best candidate against that of run 1"
            )?;
            for (number, other) in (2..).zip(others) {
                let found = BestOfRuns::read(&*store, &first.run_id, &other.run_id).await?;
                write_held_out(&mut out, number, &found)?;
            }
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), score)
}

fn write_figures(out: &mut dyn Write, runs: &[RunRow]) -> io::Result<()> {
    for (number, run) in (1..).zip(runs) {
        writeln!(out, "run {number}  {}", run.run_id)?;
    }
    writeln!(out)?;
    let mut rows = vec![numbers(runs.len())];
    for (title, value) in FIGURES {
        let mut row = vec![(*title).to_owned()];
        row.extend(runs.iter().map(value));
        rows.push(row);
    }
    write_table(out, &rows)
}

fn numbers(runs: usize) -> Vec<String> {
    let mut row = vec![String::new()];
    row.extend((1..=runs).map(|number| format!("run {number}")));
    row
}

fn write_settings(out: &mut dyn Write, runs: &[RunRow]) -> io::Result<()> {
    let configs: Vec<BTreeMap<String, String>> = runs.iter().map(settings).collect();
    let keys: BTreeSet<&String> = configs.iter().flat_map(BTreeMap::keys).collect();
    let mut rows = vec![numbers(runs.len())];
    for key in keys {
        let values: Vec<Option<&String>> = configs.iter().map(|config| config.get(key)).collect();
        if values.iter().all(|value| *value == values[0]) {
            continue;
        }
        let mut row = vec![key.clone()];
        let texts = values
            .iter()
            .map(|value| value.map_or_else(|| "-".to_owned(), |text| one_line(text, QUOTED)));
        row.extend(texts);
        rows.push(row);
    }
    if rows.len() == 1 {
        return writeln!(out, "\nno setting differs");
    }
    writeln!(out, "\nsettings that differ")?;
    write_table(out, &rows)
}

/// Runs whose settings differ in name and random seed only are repetitions of one experiment.
fn write_repetitions(out: &mut dyn Write, runs: &[RunRow]) -> io::Result<()> {
    let mut groups: BTreeMap<String, Vec<(usize, f64)>> = BTreeMap::new();
    for (number, run) in (1..).zip(runs) {
        let mut config = settings(run);
        config.retain(|key, _| !NAMES.contains(&key.as_str()));
        let scores = groups.entry(format!("{config:?}")).or_default();
        scores.extend(run.summary.best_validation_score.map(|best| (number, best)));
    }
    for scores in groups.values().filter(|scores| scores.len() > 1) {
        let numbers: Vec<String> = scores
            .iter()
            .map(|(number, _)| number.to_string())
            .collect();
        let values: Vec<f64> = scores.iter().map(|(_, best)| *best).collect();
        if let Some(found) = interval_of_means(&values, CONFIDENCE) {
            writeln!(
                out,
                "\nruns {} differ in their seed only; best, held out: {}",
                numbers.join(", "),
                estimate(found)
            )?;
        }
    }
    Ok(())
}

fn write_held_out(out: &mut dyn Write, number: usize, found: &BestOfRuns) -> io::Result<()> {
    match &found.comparison {
        Some(one) => writeln!(
            out,
            "  run {number}  {}; {} won, {} lost, {} equal",
            difference(one.difference),
            one.won,
            one.lost,
            one.examples - one.won - one.lost
        ),
        None => writeln!(
            out,
            "  run {number}  not compared: {} held-out examples in common, none with a score in both",
            found.shared
        ),
    }
}

/// A run's configuration by dotted keys.
fn settings(run: &RunRow) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    flatten(&run.config, String::new(), &mut found);
    found
}

fn flatten(value: &Value, path: String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(inner, path, found);
            }
        }
        other => {
            found.insert(path, other.to_string());
        }
    }
}

pub(super) fn write_table(out: &mut dyn Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let room = " ".repeat(width - cell.chars().count());
            line.push_str("  ");
            if column == 0 {
                line.push_str(cell);
                line.push_str(&room);
            } else {
                line.push_str(&room);
                line.push_str(cell);
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_named_by_dotted_keys() {
        let mut found = BTreeMap::new();
        let config = json!({"run": {"seed": 3, "name": "x"}, "budget": {"limits": [1, 2]}});
        flatten(&config, String::new(), &mut found);
        let expected = [
            ("budget.limits", "[1,2]"),
            ("run.name", "\"x\""),
            ("run.seed", "3"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
    }
}
