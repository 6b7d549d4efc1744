//! `gepa store copy`

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::RunId;
use gepa_store::{Copied, CopyError, copy_run};

use crate::arguments::CopyArguments;
use crate::error::CommandError;
use crate::format::count;
use crate::output::people;
use crate::surroundings::{block_on, find_run};

/// Copies the runs one after the other. Runs that are refused do not stop the others; the exit code
/// is 0 only if all runs were copied.
pub(crate) fn store_copy(arguments: &CopyArguments) -> Result<ExitCode, CommandError> {
    if arguments.from == arguments.to {
        return Err(CommandError::Usage(
            "both stores are the same; name another target".to_owned(),
        ));
    }
    if matches!(
        &*arguments.to,
        "memory:" | "sqlite::memory:" | "sqlite://:memory:"
    ) {
        return Err(CommandError::Usage(
            "a store in memory ends with this command; name a target that stays, such as `sqlite://copy.db`".to_owned(),
        ));
    }
    block_on(async {
        let from = gepa_postgres::open_existing(&arguments.from).await?;
        let mut wanted: Vec<RunId> = Vec::new();
        for name in &arguments.runs {
            wanted.push(find_run(&*from, name).await?.run_id);
        }
        if arguments.runs.is_empty() {
            wanted.extend(from.runs().await?.into_iter().map(|run| run.run_id));
        }
        let to = gepa_postgres::open(&arguments.to).await?;
        let mut out = people();
        let mut refused = 0;
        for run in &wanted {
            match copy_run(&*from, &*to, run).await {
                Ok(copied) => writeln!(out, "{run}: {}", sentence(copied))?,
                Err(CopyError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    writeln!(out, "{run}: not copied: {error}")?;
                    refused += 1;
                }
            }
            out.flush()?;
        }
        let copied = wanted.len() - refused;
        writeln!(out, "runs copied: {copied}, refused: {refused}")?;
        out.flush()?;
        Ok(if refused == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

fn sentence(copied: Copied) -> String {
    let Copied {
        events,
        appended,
        same_rows,
    } = copied;
    let journal = format!(
        "{} events, {} of them copied now, journals equal",
        count(events),
        count(appended)
    );
    let rows = if same_rows {
        "rows equal"
    } else {
        "rows differ: the source was written by an earlier version, or its tables are damaged; \
         `gepa doctor` checks both stores"
    };
    format!("{journal}, {rows}")
}
