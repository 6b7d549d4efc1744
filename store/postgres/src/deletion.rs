//! Deleting runs, and giving their space back.

use gepa_engine::{ClaimToken, RunId, StoreError};

use crate::claims::lost;
use crate::database::Database;
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::read::{int, must_exist, of};

/// The tables with rows of one run. What a tenant spent on a day stays, since quotas rest on it.
const OF_RUN: [&str; 10] = [
    "events",
    "rollouts",
    "labels",
    "snapshots",
    "reflections",
    "trials",
    "candidates",
    "jobs",
    "commands",
    "runs",
];

/// Deletes the token's run with everything that belongs to it alone. Returns the bytes of its rows.
pub(crate) async fn delete(database: &Database, token: &ClaimToken) -> Result<u64, StoreError> {
    must_exist(database, &token.run).await?;
    match try_delete(database, token).await {
        Ok(bytes) => Ok(bytes),
        Err(Failure::Refused(_)) => match lost(database, token).await? {
            Some(error) => Err(error),
            None => Err(StoreError::UnknownRun(token.run.to_string())),
        },
        Err(failure) => Err(failure.into_error(&database.address)),
    }
}

/// The bytes that a deletion would free.
pub(crate) async fn bytes(database: &Database, run: &RunId) -> Result<u64, StoreError> {
    must_exist(database, run).await?;
    let mut parts: Vec<String> = OF_RUN
        .iter()
        .map(|table| {
            format!(
                "SELECT sum(pg_column_size(row.*)) AS bytes FROM {{s}}.{table} AS row WHERE run_id = $1"
            )
        })
        .collect();
    parts.push(
        "SELECT sum(pg_column_size(row.*)) FROM {s}.texts AS row WHERE EXISTS \
         (SELECT 1 FROM {s}.candidates AS c WHERE c.candidate_id = row.candidate_id AND c.run_id = $1) \
         AND NOT EXISTS \
         (SELECT 1 FROM {s}.candidates AS c WHERE c.candidate_id = row.candidate_id AND c.run_id <> $1)"
            .to_owned(),
    );
    let sql = format!(
        "SELECT coalesce(sum(bytes), 0)::bigint FROM ({}) AS parts",
        parts.join(" UNION ALL ")
    );
    let rows = database.rows(&database.sql(&sql), &[of(run)]).await?;
    let bytes: i64 = rows.first().map_or(0, |row| row.try_get(0).unwrap_or(0));
    Ok(bytes.unsigned_abs())
}

async fn try_delete(database: &Database, token: &ClaimToken) -> Result<u64, Failure> {
    let run = &token.run;
    let mut pipeline = Pipeline::begin(database).await?;
    let claim = "SELECT 1 FROM {s}.claims WHERE run_id = $1 AND token = $2 FOR UPDATE";
    pipeline.push(database.sql(claim), vec![of(run), int(token.number)]);
    let branches = "SELECT run_id FROM {s}.runs \
                    WHERE summary::json #>> '{origin,run}' = $1 ORDER BY id";
    pipeline.push(database.sql(branches), vec![of(run)]);
    let found = pipeline.flush().await?;
    let [claim, branches] = found.as_slice() else {
        return Err(Failure::Gone("fewer answers than statements".to_owned()));
    };
    if claim.is_empty() {
        return Err(Failure::Refused("the claim is lost".to_owned()));
    }
    let names = branches
        .iter()
        .filter_map(|row| row.try_get::<_, String>(0).ok());
    let by: Vec<RunId> = names.filter_map(|name| name.parse().ok()).collect();
    if !by.is_empty() {
        let run = run.clone();
        return Err(StoreError::Needed { run, by }.into());
    }
    let mut bytes = 0;
    for table in OF_RUN {
        let sql = format!(
            "WITH gone AS (DELETE FROM {{s}}.{table} AS row WHERE run_id = $1 \
             RETURNING pg_column_size(row.*) AS bytes) \
             SELECT coalesce(sum(bytes), 0)::bigint FROM gone"
        );
        if table == "candidates" {
            pipeline.push(
                database.sql("SELECT DISTINCT candidate_id FROM {s}.candidates WHERE run_id = $1"),
                vec![of(run)],
            );
            let texts = pipeline.flush().await?.pop().unwrap_or_default();
            let texts = texts.iter().map(|row| row.try_get(0).ok()).collect();
            pipeline.push(database.sql(&sql), vec![of(run)]);
            // An append that found one of these texts stored may not be committed yet. It holds a
            // lock on the table that this one waits for.
            pipeline.push(
                database.sql("LOCK TABLE {s}.texts IN SHARE ROW EXCLUSIVE MODE"),
                Vec::new(),
            );
            pipeline.push(
                database.sql(
                    "WITH gone AS (DELETE FROM {s}.texts AS row \
                     WHERE candidate_id = ANY($1::text[]) AND NOT EXISTS \
                     (SELECT 1 FROM {s}.candidates AS c WHERE c.candidate_id = row.candidate_id) \
                     RETURNING pg_column_size(row.*) AS bytes) \
                     SELECT coalesce(sum(bytes), 0)::bigint FROM gone",
                ),
                vec![crate::value::Parameter::Texts(texts)],
            );
        } else {
            pipeline.push(database.sql(&sql), vec![of(run)]);
        }
        for rows in pipeline.flush().await? {
            let freed: i64 = rows.first().map_or(0, |row| row.try_get(0).unwrap_or(0));
            bytes += freed.unsigned_abs();
        }
    }
    let sql = "DELETE FROM {s}.claims WHERE run_id = $1";
    pipeline.push(database.sql(sql), vec![of(run)]);
    pipeline.commit().await?;
    Ok(bytes)
}

/// Marks the space of deleted rows as free and cuts free ends of tables off. It makes no append wait.
pub(crate) async fn compact(database: &Database) -> Result<u64, StoreError> {
    let before = size(database).await?;
    for table in OF_RUN.iter().chain(&["texts", "claims"]) {
        let sql = database.sql(&format!("VACUUM {{s}}.{table}"));
        let connection = database.connection().await;
        let connection = connection.map_err(|failure| failure.into_error(&database.address))?;
        // A statement that is prepared would be in a transaction.
        let done = connection.batch_execute(&sql).await;
        done.map_err(|error| database.failure(&error).into_error(&database.address))?;
    }
    Ok(before.saturating_sub(size(database).await?))
}

async fn size(database: &Database) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
               JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relkind = 'r'";
    let schema = crate::value::Parameter::Text(database.address.schema.clone());
    let rows = database.rows(sql, &[schema]).await?;
    let bytes: i64 = rows.first().map_or(0, |row| row.try_get(0).unwrap_or(0));
    Ok(bytes.unsigned_abs())
}
