//! Which runs a command takes, and the store that they are in.

use std::sync::Arc;

use gepa_engine::Store;
use gepa_server::RunEntry;

use crate::arguments::{RunFilter, StoreArguments};
use crate::error::CommandError;
use crate::surroundings::{environment, open_existing, store_url};

/// A store that must exist, opened for writing.
pub(super) async fn writable(
    arguments: &StoreArguments,
) -> Result<(Arc<dyn Store>, String), CommandError> {
    let url = store_url(arguments, &environment()?);
    // A command on runs must not create a store.
    drop(open_existing(&url).await?);
    Ok((gepa_postgres::open(&url).await?, url))
}

impl RunFilter {
    /// Whether a run meets all conditions.
    pub(super) fn takes(&self, run: &RunEntry) -> bool {
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
