//! The calls of the reflection model with their texts.

use super::rows::ReflectionRow;
use crate::event::{EventBody, Fact, ReflectionSettled};
use crate::ids::RunId;
use crate::store::{Store, StoreError};

/// The calls of the reflection model of a run, each with its journal entry, in the order in which they ended.
///
/// # Errors
///
/// The store failed.
pub async fn reflections_with_texts(
    store: &dyn Store,
    run: &RunId,
) -> Result<Vec<(ReflectionRow, ReflectionSettled)>, StoreError> {
    let mut found = Vec::new();
    for row in store.reflections(run).await? {
        if let Some(event) = store.event(run, row.seq).await?
            && let EventBody::Fact(Fact::ReflectionSettled(settled)) = event.body
        {
            found.push((row, *settled));
        }
    }
    Ok(found)
}
