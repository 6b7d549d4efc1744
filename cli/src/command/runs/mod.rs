//! `gepa runs`

mod delete;
mod labels;
mod list;

use std::process::ExitCode;
use std::sync::Arc;

use gepa_engine::Store;
use gepa_server::RunEntry;

use crate::arguments::{RunFilter, RunsAct, RunsArguments, StoreArguments};
use crate::error::CommandError;
use crate::surroundings::{block_on, environment, open_existing, store_url};

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

/// A store that must exist, opened for writing.
async fn writable(arguments: &StoreArguments) -> Result<(Arc<dyn Store>, String), CommandError> {
    let url = store_url(arguments, &environment()?);
    // A command on runs must not create a store.
    drop(open_existing(&url).await?);
    Ok((gepa_postgres::open(&url).await?, url))
}

impl RunFilter {
    /// Whether a run meets all conditions.
    fn takes(&self, run: &RunEntry) -> bool {
        let has_word = |word: &str| {
            let word = word.to_lowercase();
            let texts = [run.run_id.as_str(), &run.name, &run.note, &run.policy];
            let mut texts = texts.into_iter().chain(run.tags.iter().map(String::as_str));
            texts.any(|text| text.to_lowercase().contains(&word))
        };
        self.search.as_deref().is_none_or(has_word)
            && self.name.as_deref().is_none_or(|name| run.name == name)
            && self
                .status
                .as_deref()
                .is_none_or(|state| run.state() == state)
            && self.tags.iter().all(|tag| run.tags.contains(tag))
    }
}
