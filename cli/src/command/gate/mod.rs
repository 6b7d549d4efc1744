//! `gepa gate`

mod files;

pub(crate) use files::{JunitCase, cell, junit_of, put};

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use gepa_configs::ConfigSource;
use gepa_engine::record::RunRow;
use gepa_engine::record::export::{EVENT_EXPORT, names};
use gepa_engine::verdict::{GateReport, GateRules, read_tables};
use gepa_engine::{ExampleId, Store};
use gepa_tasks::dataset::Dataset;
use indexmap::IndexMap;

use super::export::write_events;
use crate::arguments::{ExportForm, GateArguments};
use crate::error::{CommandError, EXIT_GATE};
use crate::export::RowWriter;
use crate::output::people;
use crate::surroundings::{block_on, check_is_search, environment, find};

pub(crate) fn gate(arguments: &GateArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        check_is_search(&run, "judged by a gate")?;
        let rules = rules(arguments, &run)?;
        let journal = journal_hash(&*store, &run).await?;
        let tables = read_tables(&*store, run).await?;
        let report = GateReport::of(&tables, &rules);
        files::write(arguments, &tables.run, &report, &journal)?;
        let mut out = people();
        writeln!(out, "{}", report.sentence)?;
        for slice in &report.slices {
            writeln!(out, "  {}", files::slice_line(slice))?;
        }
        for example in report
            .named
            .iter()
            .filter(|example| example.held == Some(false))
        {
            writeln!(out, "  {}", files::named_line(example))?;
        }
        out.flush()?;
        Ok(if report.passed {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(EXIT_GATE)
        })
    })
}

fn rules(arguments: &GateArguments, run: &RunRow) -> Result<GateRules, CommandError> {
    let mut rules = GateRules {
        min_gain: arguments.min_gain,
        confidence: arguments.confidence,
        ..GateRules::default()
    };
    if !(0.5..1.0).contains(&rules.confidence) {
        return Err(CommandError::Usage(format!(
            "`--confidence {}` is not a confidence; give a number from 0.5 to below 1, for example 0.95",
            rules.confidence
        )));
    }
    let examples: Vec<&ExampleId> = run.validation.iter().chain(&run.pareto).collect();
    let mut wanted: Vec<&str> = Vec::new();
    for word in arguments.no_regress.iter().flat_map(|text| text.split(',')) {
        let word = word.trim();
        if word.is_empty() {
            continue;
        }
        match examples.iter().find(|id| id.to_string() == word) {
            Some(example) => rules.no_regress.push((*example).clone()),
            None => wanted.push(word),
        }
    }
    if wanted.is_empty() && arguments.per_slice.is_none() {
        return Ok(rules);
    }
    let dataset = dataset(run)?;
    for tag in wanted {
        rules.no_regress.extend(tagged(&dataset, &examples, tag)?);
    }
    if let Some(column) = &arguments.per_slice {
        rules.slices = slices(&dataset, run, column)?;
    }
    Ok(rules)
}

/// The rows of the run's data set, read again from where its config says.
fn dataset(run: &RunRow) -> Result<Dataset, CommandError> {
    let environment = environment()?;
    let source = ConfigSource {
        file: Path::new(""),
        environment: &environment,
        overrides: &[],
        dialects: gepa_jobs::DIALECTS,
    };
    let task = source.load_stored(&run.config)?;
    let found = task.dataset().cloned();
    found.ok_or_else(|| {
        CommandError::Usage(
            "the run has no data set whose columns could be read; `--per-slice` and tags need one, and \
             `--no-regress` takes ids of examples without one"
                .to_owned(),
        )
    })
}

/// The examples whose column has the value of `COLUMN=VALUE`, or whose `tag` or `tags` hold the word.
fn tagged(
    dataset: &Dataset,
    examples: &[&ExampleId],
    tag: &str,
) -> Result<Vec<ExampleId>, CommandError> {
    let has = |example: &ExampleId| {
        let Some(row) = dataset.row(example) else {
            return false;
        };
        match tag.split_once('=') {
            Some((column, value)) => row.text(column) == Some(value),
            None => ["tag", "tags"].iter().any(|column| {
                let text = row.text(column).unwrap_or_default();
                text.split(|one: char| !(one.is_alphanumeric() || "-_.".contains(one)))
                    .any(|word| word == tag)
            }),
        }
    };
    let found: Vec<ExampleId> = examples
        .iter()
        .filter(|example| has(example))
        .map(|example| (*example).clone())
        .collect();
    if found.is_empty() {
        return Err(CommandError::Usage(format!(
            "`--no-regress {tag}` names no example of the validation or pareto set; give ids, `COLUMN=VALUE`, or a \
             word of the column `tag` or `tags`"
        )));
    }
    Ok(found)
}

fn slices(
    dataset: &Dataset,
    run: &RunRow,
    column: &str,
) -> Result<Vec<(String, Vec<ExampleId>)>, CommandError> {
    let compared = if run.validation.is_empty() {
        &run.pareto
    } else {
        &run.validation
    };
    let mut slices: IndexMap<String, Vec<ExampleId>> = IndexMap::new();
    for example in compared {
        let row = dataset.row(example);
        if let Some(value) = row.and_then(|row| row.text(column)) {
            let name = format!("{column}={value}");
            slices.entry(name).or_default().push(example.clone());
        }
    }
    if slices.is_empty() {
        return Err(CommandError::Usage(format!(
            "`--per-slice {column}`: no example has a column `{column}`"
        )));
    }
    slices.sort_unstable_keys();
    Ok(slices.into_iter().collect())
}

/// The BLAKE3 hash of the journal as `gepa export RUN --what events` writes it.
async fn journal_hash(store: &dyn Store, run: &RunRow) -> Result<String, CommandError> {
    let mut hasher = blake3::Hasher::new();
    let columns = names(EVENT_EXPORT);
    let columns = columns.iter().map(|&name| name.to_owned()).collect();
    let mut writer = RowWriter::new(ExportForm::Jsonl, columns, &mut hasher)?;
    write_events(store, run, &mut writer).await?;
    writer.finish()?;
    Ok(hasher.finalize().to_hex().to_string())
}
