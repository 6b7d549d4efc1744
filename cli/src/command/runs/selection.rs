//! Which runs a command takes, and the store that they are in.

use std::sync::Arc;

use gepa_engine::Store;
use gepa_server::RunSelection;

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
    /// The conditions.
    pub(super) fn selection(&self) -> RunSelection {
        let mut selection = RunSelection::default();
        if let Some(state) = &self.status {
            // The parser of arguments knows all states.
            selection.stands(state);
        }
        selection.query.word.clone_from(&self.search);
        selection.query.name.clone_from(&self.name);
        selection.query.tags = self.tags.iter().cloned().collect();
        selection
    }
}
