//! Occupancy, read from a store.

use super::{Call, LimitNotes, Occupancy};
use crate::ids::Seq;
use crate::record::RunRow;
use crate::store::{Store, StoreError};

/// Rows read from the store in one go.
const PAGE: usize = 10_000;

/// Slots and limits over the time of a run.
///
/// # Errors
///
/// The store failed.
pub async fn read_occupancy(store: &dyn Store, run: &RunRow) -> Result<Occupancy, StoreError> {
    let mut occupancy = Occupancy::new(&run.summary);
    let mut last = Seq(0);
    loop {
        let page = store.rollouts(&run.run_id, last, PAGE).await?;
        for row in &page {
            occupancy.add(&Call::rollout(row));
        }
        match page.last() {
            Some(row) if page.len() == PAGE => last = row.seq,
            _ => break,
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
