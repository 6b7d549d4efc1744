//! `gepa export`

mod matrix;
mod rollouts;

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::occupancy::{OCCUPANCY_EXPORT, read_occupancy};
use gepa_engine::record::export::{EVENT_EXPORT, names, values};
use gepa_engine::record::{
    CANDIDATE_EXPORT, CandidateOrder, REFLECTION_EXPORT, RunRow, ScoreHistory, TRIAL_EXPORT,
    reflections_with_texts, statistics, trials_that_ran,
};
use gepa_engine::verdict::{Verdict, read_tables, with_verdict};
use gepa_engine::{EventPages, Store};
use gepa_jobs::views::snapshots;
use serde_json::{Map, Value};

use crate::arguments::{ExportArguments, ExportKind, ExportOrder};
use crate::error::CommandError;
use crate::export::RowWriter;
use crate::output::stdout;
use crate::surroundings::{block_on, find};

const SNAPSHOT_COLUMNS: &[&str] = &[
    "snapshot_id",
    "run_id",
    "job_id",
    "tag",
    "score",
    "token_count",
    "created_at",
    "messages",
    "payload",
];

pub(crate) fn export(arguments: &ExportArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let sink = stdout();
        let stats = match arguments.what {
            ExportKind::Stats => {
                let tables = read_tables(&*store, run.clone()).await?;
                with_verdict(stats_of(&run), &Verdict::of(&tables))
            }
            _ => Map::new(),
        };
        let candidates = match arguments.what {
            ExportKind::Candidates => {
                let order = match arguments.sort {
                    ExportOrder::Iteration => CandidateOrder::Iteration,
                    ExportOrder::Score => CandidateOrder::Score,
                };
                let history = &mut ScoreHistory::default();
                order.read(&*store, &run, history).await?
            }
            ExportKind::Matrix => store.candidates(&run.run_id).await?,
            _ => Vec::new(),
        };
        let columns: Vec<String> = match arguments.what {
            ExportKind::Trials => owned(&names(TRIAL_EXPORT)),
            ExportKind::Rollouts => rollouts::columns(),
            ExportKind::Candidates => owned(&names(CANDIDATE_EXPORT)),
            ExportKind::Reflections => owned(&names(REFLECTION_EXPORT)),
            ExportKind::Matrix => matrix::columns(&candidates),
            ExportKind::Snapshots => owned(SNAPSHOT_COLUMNS),
            ExportKind::Events => owned(&names(EVENT_EXPORT)),
            ExportKind::Slots => owned(&names(OCCUPANCY_EXPORT)),
            ExportKind::Stats => stats.keys().cloned().collect(),
        };
        let mut writer = RowWriter::new(arguments.format, columns, sink)?;
        match arguments.what {
            ExportKind::Trials => {
                for row in trials_that_ran(&*store, &run.run_id).await? {
                    writer.write(values(TRIAL_EXPORT, &(), &row))?;
                }
            }
            ExportKind::Rollouts => rollouts::write(&*store, &run, &mut writer).await?,
            ExportKind::Candidates => {
                for row in &candidates {
                    writer.write(values(CANDIDATE_EXPORT, &run, row))?;
                }
            }
            ExportKind::Reflections => {
                for call in reflections_with_texts(&*store, &run.run_id).await? {
                    writer.write(values(REFLECTION_EXPORT, &(), &call))?;
                }
            }
            ExportKind::Matrix => matrix::write(&run, &candidates, &mut writer)?,
            ExportKind::Snapshots => write_snapshots(&*store, &run, &mut writer).await?,
            ExportKind::Events => write_events(&*store, &run, &mut writer).await?,
            ExportKind::Slots => {
                for step in read_occupancy(&*store, &run).await?.steps() {
                    writer.write(values(OCCUPANCY_EXPORT, &run.run_id, &step))?;
                }
            }
            ExportKind::Stats => {
                writer.write(stats.into_iter().map(|(_, value)| value).collect())?;
            }
        }
        writer.finish()?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The figures of a run and its config.
pub(super) fn stats_of(run: &RunRow) -> Map<String, Value> {
    let mut stats = statistics(run);
    stats.insert("config".to_owned(), run.config.clone());
    stats
}

fn owned(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|&column| column.to_owned()).collect()
}

pub(super) async fn write_events<W: Write>(
    store: &dyn Store,
    run: &RunRow,
    writer: &mut RowWriter<W>,
) -> Result<(), CommandError> {
    let mut pages = EventPages::of(store, &run.run_id);
    while let Some(page) = pages.next().await? {
        for one in &page {
            writer.write(values(EVENT_EXPORT, &run.run_id, one))?;
        }
    }
    Ok(())
}

async fn write_snapshots<W: Write>(
    store: &dyn Store,
    run: &RunRow,
    writer: &mut RowWriter<W>,
) -> Result<(), CommandError> {
    let snapshots = snapshots(store, run.clone()).await?;
    for row in &snapshots.rows {
        let Some(view) = snapshots.view(row) else {
            return Err(CommandError::Missing(format!(
                "snapshot {} refers to a candidate that the store does not have; `gepa doctor {}` lists the differences",
                row.snapshot_id, run.run_id
            )));
        };
        let rendered = serde_json::to_value(view)?;
        let columns = SNAPSHOT_COLUMNS.iter();
        let cells = columns.map(|column| rendered.get(*column).cloned().unwrap_or(Value::Null));
        writer.write(cells.collect())?;
    }
    Ok(())
}
