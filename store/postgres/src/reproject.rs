//! Rebuilds the rows of a run from its journal.

use gepa_engine::record::{Cell, ColumnError, Tables};
use gepa_engine::{RunId, Store, StoreError};
use gepa_store::replayed;

use crate::database::Database;
use crate::failure::Failure;
use crate::inserts::Inserts;
use crate::pipeline::Pipeline;
use crate::read::of;
use crate::value::Parameter;

/// The number of rows written at a time.
const PAGE: usize = 4_096;

/// `store` is the store in `database`.
pub(crate) async fn reproject(
    store: &dyn Store,
    database: &Database,
    run: &RunId,
) -> Result<(), StoreError> {
    let tables = replayed(store, store.run(run).await?).await?;
    let written = write(database, run, &tables).await;
    written.map_err(|failure| failure.into_error(&database.address))
}

async fn write(database: &Database, run: &RunId, tables: &Tables) -> Result<(), Failure> {
    let mut pipeline = Pipeline::begin(database).await?;
    for table in [
        "snapshots",
        "reflections",
        "rollouts",
        "trials",
        "candidates",
    ] {
        let sql = format!("DELETE FROM {{s}}.{table} WHERE run_id = $1");
        pipeline.push(database.sql(&sql), vec![of(run)]);
    }
    let mut inserts = Inserts::new();
    let refused = |error: ColumnError| Failure::Refused(error.0);
    for row in tables.candidates() {
        inserts.candidate(row).map_err(refused)?;
    }
    for row in tables.trials() {
        inserts.trial(row).map_err(refused)?;
    }
    for row in tables.reflections() {
        inserts.reflection(row).map_err(refused)?;
    }
    for row in tables.snapshots() {
        inserts.snapshot(row).map_err(refused)?;
    }
    for page in tables.rollouts().chunks(PAGE) {
        for row in page {
            inserts.rollout(row).map_err(refused)?;
        }
        inserts.send(database, &mut pipeline);
        pipeline.flush().await?;
    }
    inserts.send(database, &mut pipeline);
    let summary = tables.summary();
    pipeline.push(
        database.sql("UPDATE {s}.runs SET summary = $2, status = $3 WHERE run_id = $1"),
        vec![
            of(run),
            Cell::json(summary).into(),
            Parameter::Text(summary.status.as_str().to_owned()),
        ],
    );
    pipeline.commit().await?;
    Ok(())
}
