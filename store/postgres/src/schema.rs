//! Migrations: the format of a schema, and the steps to the newest format. A column that a row type has
//! gained is no step: it is added to a schema of any format that lacks it, and a program that does not
//! know the column leaves it null.

use gepa_engine::StoreError;
use gepa_engine::record::{ColumnKind, StoredColumn, lacking_columns};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::database::Database;
use crate::failure::Failure;
use crate::value::{Parameter, sql_type};

/// The migrations in order; the first makes format 1. A released migration never changes.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/postgres/0001_journal.sql"),
    include_str!("../../migrations/postgres/0002_jobs.sql"),
    include_str!("../../migrations/postgres/0003_labels.sql"),
];

/// The newest format that this code knows.
const SCHEMA_FORMAT: u32 = MIGRATIONS.len() as u32;

/// The tables of the schema $1 and their columns.
const COLUMNS: &str = "SELECT c.relname::text, a.attname::text FROM pg_attribute a \
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped";

/// Held for the length of a transaction by the process that migrates.
const LOCK: i64 = 0x4745_5041;

/// Refuses a schema that is not ours or too new. Returns its format, 0 for one without tables.
pub(crate) async fn check(database: &Database) -> Result<u32, StoreError> {
    let address = &database.address;
    let schema = || vec![Parameter::Text(address.schema.clone())];
    let tables = database
        .rows(
            "SELECT count(*), count(*) FILTER (WHERE c.relname = 'format') FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1",
            &schema(),
        )
        .await?;
    let count = |column: usize| {
        tables
            .first()
            .map_or(0, |row| row.try_get(column).unwrap_or(0_i64))
    };
    match (count(0), count(1)) {
        (0, _) => return Ok(0),
        (_, 0) => {
            return Err(StoreError::Storage(format!(
                "{address}: the schema belongs to another program; name another one with \
                 `?schema=NAME` in the URL"
            )));
        }
        _ => {}
    }
    let rows = database
        .rows(&database.sql("SELECT newest FROM {s}.format"), &[])
        .await?;
    let found: i64 = rows
        .first()
        .map_or(0, |row| row.try_get(0).unwrap_or_default());
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    if found > SCHEMA_FORMAT {
        return Err(StoreError::NewerFormat {
            found,
            known: SCHEMA_FORMAT,
        });
    }
    Ok(found)
}

/// Brings a schema to the newest format, adds the columns that its tables lack, and creates it if
/// there is none.
pub(crate) async fn migrate(database: &Database) -> Result<(), StoreError> {
    if check(database).await? == SCHEMA_FORMAT && lacking(database).await?.is_empty() {
        return Ok(());
    }
    let applied = apply(database).await;
    applied.map_err(|failure| failure.into_error(&database.address))?;
    // A newer program may have migrated first.
    check(database).await.map(drop)
}

/// One transaction, under a lock: of several engines that start at once, one migrates.
async fn apply(database: &Database) -> Result<(), Failure> {
    let connection = database.connection().await?;
    let schema = &database.address.schema;
    let failed = |error: tokio_postgres::Error| database.failure(&error);
    let mut connection = deadpool_postgres::Object::take(connection);
    let transaction = connection.transaction().await.map_err(failed)?;
    let lock = format!("SELECT pg_advisory_xact_lock({LOCK})");
    transaction.batch_execute(&lock).await.map_err(failed)?;
    let begin = format!(
        "CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path TO {schema}; \
         CREATE TABLE IF NOT EXISTS format (newest bigint NOT NULL)"
    );
    transaction.batch_execute(&begin).await.map_err(failed)?;
    let rows = transaction
        .query_typed("SELECT newest FROM format", &[])
        .await
        .map_err(failed)?;
    let found: i64 = rows
        .first()
        .map_or(0, |row| row.try_get(0).unwrap_or_default());
    let applied = usize::try_from(found).unwrap_or_default();
    for migration in MIGRATIONS.iter().skip(applied) {
        transaction.batch_execute(migration).await.map_err(failed)?;
    }
    let columns = transaction
        .query_typed(COLUMNS, &[(schema, Type::TEXT)])
        .await
        .map_err(failed)?;
    for StoredColumn { table, name, kind } in without(&columns) {
        let column_type = match kind {
            ColumnKind::IntegerOrText => "integer_or_name",
            kind => sql_type(kind),
        };
        let add = format!("ALTER TABLE {table} ADD COLUMN {name} {column_type}");
        transaction.batch_execute(&add).await.map_err(failed)?;
    }
    let newest = found.max(SCHEMA_FORMAT.into());
    let end = format!("DELETE FROM format; INSERT INTO format VALUES ({newest})");
    transaction.batch_execute(&end).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// Checks that there is a schema that this code can read.
pub(crate) async fn check_existing(database: &Database) -> Result<(), StoreError> {
    let found = check(database).await?;
    let address = &database.address;
    if found == 0 {
        return Err(StoreError::Storage(format!(
            "{address}: it holds no runs yet; begin a run with it, or name another schema with \
             `?schema=NAME`"
        )));
    }
    if found < SCHEMA_FORMAT {
        return Err(StoreError::Storage(format!(
            "{address}: it has format {found}, this program reads {SCHEMA_FORMAT}; any command \
             that writes, such as `gepa serve`, brings it up to date"
        )));
    }
    Ok(())
}

/// The columns that the tables lack.
pub(crate) async fn lacking(database: &Database) -> Result<Vec<StoredColumn>, StoreError> {
    let schema = Parameter::Text(database.address.schema.clone());
    database
        .rows(COLUMNS, &[schema])
        .await
        .map(|rows| without(&rows))
}

/// The columns that are not among those that [`COLUMNS`] found.
fn without(rows: &[Row]) -> Vec<StoredColumn> {
    let text = |row: &Row, column: usize| row.try_get(column).unwrap_or_default();
    let present = rows.iter().map(|row| (text(row, 0), text(row, 1)));
    lacking_columns(&present.collect())
}
