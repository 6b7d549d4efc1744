//! Migrations: the format of a schema, and the steps to the newest format.

use gepa_engine::StoreError;

use crate::database::Database;
use crate::failure::Failure;
use crate::value::{Kind, Kinds, Parameter};

/// The migrations in order; the first makes format 1. A released migration never changes.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/postgres/0001_journal.sql"),
    include_str!("../../migrations/postgres/0002_jobs.sql"),
    include_str!("../../migrations/postgres/0003_labels.sql"),
];

/// The newest format that this code knows.
const SCHEMA_FORMAT: u32 = MIGRATIONS.len() as u32;

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

/// Brings a schema to the newest format and creates it if there is none.
pub(crate) async fn migrate(database: &Database) -> Result<(), StoreError> {
    if check(database).await? == SCHEMA_FORMAT {
        return Ok(());
    }
    let applied = apply(database).await;
    applied.map_err(|failure| failure.into_error(&database.address))
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
    let found = usize::try_from(found).unwrap_or_default();
    for migration in MIGRATIONS.iter().skip(found) {
        transaction.batch_execute(migration).await.map_err(failed)?;
    }
    let end = format!("DELETE FROM format; INSERT INTO format VALUES ({SCHEMA_FORMAT})");
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

/// The types of all columns.
pub(crate) async fn kinds(database: &Database) -> Result<Kinds, StoreError> {
    let rows = database
        .rows(
            "SELECT c.relname::text, a.attname::text, t.typname::text FROM pg_attribute a \
             JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_type t ON t.oid = a.atttypid \
             WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped",
            &[Parameter::Text(database.address.schema.clone())],
        )
        .await?;
    let mut kinds = Kinds::default();
    for row in rows {
        let text = |column: usize| row.try_get::<_, String>(column).unwrap_or_default();
        let kind = match text(2).as_str() {
            "int8" => Kind::Integer,
            "float8" => Kind::Real,
            "text" => Kind::Text,
            "integer_or_name" => Kind::IntegerOrName,
            _ => continue,
        };
        kinds.add(&text(0), &text(1), kind);
    }
    Ok(kinds)
}
