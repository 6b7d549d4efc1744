//! New runs.

use gepa_engine::record::{Cell, RunRow, Stored};
use gepa_engine::{JOURNAL_FORMAT, StoreError};

use crate::database::Database;
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::read::of;
use crate::value::Parameter;

/// Stores a run and the row of its claims.
pub(crate) async fn create(database: &Database, row: &RunRow) -> Result<(), StoreError> {
    match try_create(database, row).await {
        Ok(()) => Ok(()),
        Err(Failure::Refused(_)) => Err(StoreError::RunExists(row.run_id.clone())),
        Err(failure) => Err(failure.into_error(&database.address)),
    }
}

async fn try_create(database: &Database, row: &RunRow) -> Result<(), Failure> {
    let mut cells = vec![Cell::Integer(JOURNAL_FORMAT.into())];
    row.write(&mut cells);
    let places: Vec<String> = (1..=cells.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO {{s}}.runs (format, {}) VALUES ({})",
        RunRow::COLUMNS.join(", "),
        places.join(", ")
    );
    let mut pipeline = Pipeline::begin(database).await?;
    let values = cells.into_iter().map(Parameter::from).collect();
    pipeline.push(database.sql(&sql), values);
    pipeline.push(
        database.sql("INSERT INTO {s}.claims (run_id) VALUES ($1)"),
        vec![of(&row.run_id)],
    );
    pipeline.commit().await?;
    Ok(())
}
