//! Deleting runs.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use gepa_engine::record::RunRow;
use gepa_engine::{RunId, Store, StoreError, Timestamp};
use gepa_server::{DeleteError, NewestRuns, RunEntry, delete_run};

use super::selection::writable;
use crate::arguments::{Deletion, RunFilter, StoreArguments};
use crate::error::CommandError;
use crate::format::{bytes, count, one_line};
use crate::output::{err, people};
use crate::run_log;
use crate::surroundings::find_run;

pub(super) async fn delete(
    names: &[String],
    deletion: &Deletion,
    store: &StoreArguments,
) -> Result<ExitCode, CommandError> {
    let (store, url) = writable(store).await?;
    let mut runs: Vec<RunRow> = Vec::new();
    for name in names {
        let run = find_run(&*store, name).await?;
        if runs.iter().all(|other| other.run_id != run.run_id) {
            runs.push(run);
        }
    }
    if !deletion.yes && !is_wanted(runs.iter().map(described))? {
        return Ok(ExitCode::SUCCESS);
    }
    let runs: Vec<RunId> = runs.into_iter().map(|run| run.run_id).collect();
    let kept = delete_all(&store, &url, runs).await?;
    for (_, error) in &kept {
        let _ = writeln!(err(), "error: {error}");
    }
    if deletion.compact {
        compact_now(&*store).await?;
    }
    Ok(if kept.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(super) async fn prune(
    older: u64,
    filter: &RunFilter,
    dry_run: bool,
    deletion: &Deletion,
    store: &StoreArguments,
) -> Result<ExitCode, CommandError> {
    let (store, url) = writable(store).await?;
    let before = Timestamp(
        Timestamp::now()
            .0
            .saturating_sub_unsigned(older.saturating_mul(1_000_000)),
    );
    let mut selection = filter.selection();
    selection.query.idle_since = Some(before);
    let old = NewestRuns::read(&*store, &selection, usize::MAX)
        .await?
        .entries;
    let is_spared = |run: &&RunEntry| !run.tags.is_empty() && filter.tags.is_empty();
    let spared = old.iter().filter(is_spared).count();
    let runs: Vec<&RunEntry> = old.iter().filter(|run| !is_spared(run)).collect();
    if spared > 0 {
        let _ = writeln!(err(), "{spared} old runs have a tag and are kept");
    }
    if runs.is_empty() {
        let _ = writeln!(err(), "no run is to be deleted");
        return Ok(ExitCode::SUCCESS);
    }
    if dry_run {
        let mut out = people();
        let mut whole = 0;
        for run in &runs {
            let size = store.run_bytes(&run.run_id).await? + run_log::size(&url, &run.run_id);
            writeln!(
                out,
                "would delete {}  about {}",
                described_entry(run),
                bytes(size)
            )?;
            whole += size;
        }
        writeln!(
            out,
            "would delete {} in all: about {} would be freed",
            plural(runs.len())
                .replacen("this", "1", 1)
                .replacen("these ", "", 1),
            bytes(whole)
        )?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    if !deletion.yes && !is_wanted(runs.iter().map(|run| described_entry(run)))? {
        return Ok(ExitCode::SUCCESS);
    }
    let runs = runs.iter().map(|run| run.run_id.clone()).collect();
    for (_, error) in delete_all(&store, &url, runs).await? {
        let _ = writeln!(err(), "kept: {error}");
    }
    if deletion.compact {
        compact_now(&*store).await?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn compact(store: &StoreArguments) -> Result<ExitCode, CommandError> {
    let (store, _) = writable(store).await?;
    compact_now(&*store).await?;
    Ok(ExitCode::SUCCESS)
}

async fn compact_now(store: &dyn Store) -> Result<(), CommandError> {
    let smaller = store.compact().await?;
    let mut out = people();
    writeln!(out, "the store is {} smaller", bytes(smaller))?;
    out.flush()?;
    Ok(())
}

/// Deletes runs, branches before the runs they begin in. Returns those that are kept, and why.
async fn delete_all(
    store: &Arc<dyn Store>,
    url: &str,
    mut runs: Vec<RunId>,
) -> Result<Vec<(RunId, DeleteError)>, CommandError> {
    // A branch is younger than its origin, and ids are sorted by time.
    runs.sort();
    let (mut kept, mut freed, mut deleted) = (Vec::new(), 0, 0_u64);
    let mut out = people();
    for run in runs.into_iter().rev() {
        match delete_run(&**store, &run).await {
            Ok(in_store) => {
                let in_log = run_log::remove(url, &run);
                writeln!(out, "deleted {run}: {} freed", bytes(in_store + in_log))?;
                out.flush()?;
                freed += in_store + in_log;
                deleted += 1;
            }
            Err(
                error @ (DeleteError::OpenJob(_)
                | DeleteError::Store(StoreError::Claimed { .. } | StoreError::Needed { .. })),
            ) => kept.push((run, error)),
            Err(DeleteError::Store(error)) => return Err(error.into()),
            Err(other) => return Err(CommandError::Missing(other.to_string())),
        }
    }
    if deleted > 1 {
        writeln!(out, "{deleted} runs deleted: {} freed", bytes(freed))?;
    }
    out.flush()?;
    Ok(kept)
}

/// Asks on the terminal; without one the command is refused.
fn is_wanted(runs: impl ExactSizeIterator<Item = String>) -> Result<bool, CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::Usage(
            "nothing is deleted without a confirmation, and the input is no terminal; add `--yes`"
                .to_owned(),
        ));
    }
    let mut err = err();
    let many = runs.len();
    for run in runs {
        writeln!(err, "{run}")?;
    }
    write!(err, "Delete {} for good? [y/N] ", plural(many))?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    let is_wanted = matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if !is_wanted {
        writeln!(err, "nothing was deleted")?;
    }
    Ok(is_wanted)
}

fn described(run: &RunRow) -> String {
    let summary = &run.summary;
    let rollouts = summary.counters.total_rollouts;
    line(&run.run_id, &run.name, summary.status.as_str(), rollouts)
}

fn described_entry(run: &RunEntry) -> String {
    line(&run.run_id, &run.name, run.status, run.total_rollouts)
}

fn line(run: &RunId, name: &str, status: &str, rollouts: u64) -> String {
    format!(
        "{run}  {}  {status}  {} rollouts",
        one_line(name, 60),
        count(rollouts)
    )
}

fn plural(runs: usize) -> String {
    match runs {
        1 => "this run".to_owned(),
        many => format!("these {many} runs"),
    }
}
