//! The newest runs of a store that meet a condition.

use gepa_engine::record::RunRow;
use gepa_engine::{Store, StoreError};

/// Runs that are read at once.
const PAGE: usize = 64;

/// Up to `limit` of the newest runs that are wanted, newest first. Older ones are not read.
pub(crate) async fn newest_runs(
    store: &dyn Store,
    limit: usize,
    is_wanted: impl Fn(&RunRow) -> bool,
) -> Result<Vec<RunRow>, StoreError> {
    let (mut found, mut before) = (Vec::new(), None);
    while found.len() < limit {
        let page = store.runs_before(before.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.run_id.clone());
        let missing = limit - found.len();
        found.extend(page.into_iter().filter(&is_wanted).take(missing));
    }
    Ok(found)
}
