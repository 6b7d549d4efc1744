//! `gepa runs`

mod delete;
mod labels;
mod list;
mod selection;

use std::process::ExitCode;

use crate::arguments::{RunsAct, RunsArguments};
use crate::error::CommandError;
use crate::surroundings::block_on;

pub(crate) fn runs(arguments: &RunsArguments) -> Result<ExitCode, CommandError> {
    block_on(async {
        match &arguments.act {
            None => list::list(arguments).await,
            Some(RunsAct::Delete {
                runs,
                deletion,
                store,
            }) => delete::delete(runs, deletion, store).await,
            Some(RunsAct::Prune {
                older,
                filter,
                dry_run,
                deletion,
                store,
            }) => delete::prune(*older, filter, *dry_run, deletion, store).await,
            Some(RunsAct::Compact { store }) => delete::compact(store).await,
            Some(act) => labels::label(act).await,
        }
    })
}
