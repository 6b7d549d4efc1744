//! `gepa show`

mod candidates;
mod config;
mod lineage;
mod reflection;
mod rollout;

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::Store;
use gepa_engine::record::RunRow;
use gepa_engine::verdict::{Verdict, read_tables};

use crate::arguments::ShowArguments;
use crate::error::CommandError;
use crate::output::people;
use crate::report::write_run;
use crate::surroundings::{block_on, find, readable_settings};

pub(crate) fn show(arguments: &ShowArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        let (store, run) = find(&arguments.run).await?;
        let mut out = people();
        let part = &arguments.part;
        if part.config {
            config::write(&mut out, &run)?;
        } else if part.candidates {
            candidates::write(&mut out, &run, &store.candidates(&run.run_id).await?)?;
        } else if part.lineage {
            lineage::write(&mut out, &run, &store.candidates(&run.run_id).await?)?;
        } else if let Some(id) = &part.rollout {
            rollout::write(&mut out, &*store, &run, id).await?;
        } else if let Some(iteration) = part.reflection {
            reflection::write(&mut out, &*store, &run, iteration).await?;
        } else {
            write_whole(&mut out, &*store, run).await?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn write_whole(
    out: &mut dyn Write,
    store: &dyn Store,
    run: RunRow,
) -> Result<(), CommandError> {
    let is_claimed = store.is_claimed(&run.run_id).await?;
    let snapshots = store.snapshots(&run.run_id).await?;
    let settings = readable_settings(&run);
    let tables = read_tables(store, run).await?;
    let verdict = Verdict::of(&tables);
    write_run(
        out,
        &tables,
        is_claimed,
        settings.as_ref(),
        &snapshots,
        &verdict,
    )?;
    Ok(())
}
