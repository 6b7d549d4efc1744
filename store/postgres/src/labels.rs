//! What people wrote beside runs.

use std::collections::BTreeMap;

use gepa_engine::{LabelChange, RunId, RunLabels, StoreError, Timestamp};
use tokio_postgres::Row;

use crate::database::{Database, damaged};
use crate::failure::Failure;
use crate::pipeline::Pipeline;
use crate::read::{of, run_row, runs_sql};
use crate::value::{Parameter, escaped, unescaped};

/// The labels of all runs that have some.
pub(crate) async fn all(database: &Database) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
    let sql = database.sql("SELECT tags, note, archived_at, run_id FROM {s}.labels");
    let found = database.rows(&sql, &[]).await?;
    let labels = found.iter().map(|row| {
        let run: String = row.try_get(3).unwrap_or_default();
        let labels = decoded(&run, row)?;
        let run = run
            .parse()
            .map_err(|_| damaged("the labels", format!("`{run}` is not a run id")))?;
        Ok((run, labels))
    });
    labels.collect()
}

/// Changes what is written beside a run.
pub(crate) async fn set(
    database: &Database,
    run: &RunId,
    change: &LabelChange,
) -> Result<RunLabels, StoreError> {
    let changed = try_set(database, run, change).await;
    changed.map_err(|failure| failure.into_error(&database.address))
}

async fn try_set(
    database: &Database,
    run: &RunId,
    change: &LabelChange,
) -> Result<RunLabels, Failure> {
    let mut pipeline = Pipeline::begin(database).await?;
    // The row of the claim is not locked: an append would wait. Changes of labels wait for each other.
    pipeline.push(
        database.sql(
            "INSERT INTO {s}.labels (run_id, tags, note) VALUES ($1, '[]', '') \
             ON CONFLICT (run_id) DO UPDATE SET run_id = $1 RETURNING tags, note, archived_at",
        ),
        vec![of(run)],
    );
    pipeline.push(runs_sql(database, "WHERE run_id = $1"), vec![of(run)]);
    let found = pipeline.flush().await?;
    let [labels, row] = found.as_slice() else {
        return Err(Failure::Gone("fewer answers than statements".to_owned()));
    };
    let (Some(labels), Some(row)) = (labels.first(), row.first()) else {
        return Err(StoreError::UnknownRun(run.to_string()).into());
    };
    let mut row = run_row(&format!("run `{run}`"), row)?;
    let mut labels = decoded(run.as_str(), labels)?;
    let before = row.name.clone();
    change
        .apply(&mut row, &mut labels, Timestamp::now())
        .map_err(StoreError::from)?;
    let archived_at = labels
        .archived_at
        .map_or(Parameter::Null, |at| Parameter::Integer(at.0));
    pipeline.push(
        database.sql(
            "UPDATE {s}.labels SET tags = $2, note = $3, archived_at = $4::bigint WHERE run_id = $1",
        ),
        vec![
            of(run),
            text(&serde_json::json!(labels.tags).to_string()),
            text(&labels.note),
            archived_at,
        ],
    );
    if row.name != before {
        pipeline.push(
            database.sql("UPDATE {s}.runs SET name = $2 WHERE run_id = $1"),
            vec![of(run), text(&row.name)],
        );
    }
    pipeline.commit().await?;
    Ok(labels)
}

fn text(value: &str) -> Parameter {
    Parameter::Text(escaped(value.into()).into_owned())
}

fn decoded(run: &str, row: &Row) -> Result<RunLabels, StoreError> {
    let what = || format!("the labels of run `{run}`");
    let column = |place: usize| -> Result<String, StoreError> {
        let stored: String = row
            .try_get(place)
            .map_err(|error| damaged(what(), error.to_string()))?;
        let read = unescaped(&stored).map(std::borrow::Cow::into_owned);
        read.map_err(|detail| damaged(what(), detail.0))
    };
    let tags = serde_json::from_str(&column(0)?);
    let archived_at: Option<i64> = row.try_get(2).ok().flatten();
    Ok(RunLabels {
        tags: tags.map_err(|error| damaged(what(), error.to_string()))?,
        note: column(1)?,
        archived_at: archived_at.map(Timestamp),
    })
}
