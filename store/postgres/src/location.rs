//! Store URLs of every kind: those of this crate, and those of `gepa-store`.

use std::sync::Arc;

use gepa_engine::{RunId, Store, StoreError};
use gepa_store::{Difference, rebuild};

use crate::store::PostgresStore;

/// Whether a URL names a database server.
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Opens the store at a URL and creates it if there is none: `postgres://USER@HOST/DATABASE`, or one
/// that [`gepa_store::open`] knows.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    if is_postgres(url) {
        return Ok(Arc::new(PostgresStore::open(url).await?));
    }
    gepa_store::open(url)
}

/// Opens the store at a URL for reading only; it must exist.
pub async fn open_existing(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    if is_postgres(url) {
        return Ok(Arc::new(PostgresStore::open_existing(url).await?));
    }
    gepa_store::open_existing(url)
}

/// Rebuilds a run's rows from its journal and returns where they differed. It is refused while
/// another process writes the run.
pub async fn repair(url: &str, run: &RunId) -> Result<Vec<Difference>, StoreError> {
    if !is_postgres(url) {
        return gepa_store::repair(url, run).await;
    }
    // A repair must not create a schema.
    drop(PostgresStore::open_existing(url).await?);
    let store = PostgresStore::open(url).await?;
    let _claim = store.claim(run).await?;
    let differences = rebuild(&store, run).await?;
    if !differences.is_empty() {
        store.reproject(run).await?;
    }
    Ok(differences)
}
