//! Occupancy, read from a store.

use super::{Call, LimitNotes, Occupancy};
use crate::pages::RolloutPages;
use crate::record::RunRow;
use crate::store::{Store, StoreError};

/// Slots and limits over the time of a run.
///
/// # Errors
///
/// The store failed.
pub async fn read_occupancy(store: &dyn Store, run: &RunRow) -> Result<Occupancy, StoreError> {
    let mut occupancy = Occupancy::new(&run.summary);
    let mut pages = RolloutPages::of(store, &run.run_id);
    while let Some(page) = pages.next().await? {
        for row in &page {
            occupancy.add(&Call::rollout(row));
        }
    }
    for row in store.reflections(&run.run_id).await? {
        occupancy.add(&Call::reflection(&row));
    }
    let mut notes = LimitNotes::default();
    notes.catch_up(store, run).await?;
    occupancy.add_notes(&notes, run);
    Ok(occupancy)
}
