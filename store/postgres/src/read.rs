//! Queries.

use gepa_engine::record::{ColumnKind, RunRow, Stored};
use gepa_engine::{Event, EventBody, JOURNAL_FORMAT, RunId, Seq, StoreError};
use tokio_postgres::Row;

use crate::database::{Database, damaged};
use crate::value::{Columns, Parameter, escaped};

const JOURNAL: [ColumnKind; 3] = [ColumnKind::Integer, ColumnKind::Integer, ColumnKind::Text];

/// The SELECT of the run $1, or of all runs, each with its format in front.
pub(crate) fn runs_sql(database: &Database, condition: &str) -> String {
    let columns = database.columns::<RunRow>();
    database.sql(&format!(
        "SELECT format, {columns} FROM {{s}}.runs {condition} ORDER BY id"
    ))
}

/// All runs.
pub(crate) async fn runs(database: &Database) -> Result<Vec<RunRow>, StoreError> {
    let found = database.rows(&runs_sql(database, ""), &[]).await?;
    found.iter().map(|row| run_row("the runs", row)).collect()
}

/// The newest runs before one of them.
pub(crate) async fn runs_before(
    database: &Database,
    before: Option<&RunId>,
    limit: usize,
) -> Result<Vec<RunRow>, StoreError> {
    let columns = database.columns::<RunRow>();
    let condition = if before.is_some() {
        "WHERE id < (SELECT id FROM {s}.runs WHERE run_id = $2)"
    } else {
        ""
    };
    let sql = database.sql(&format!(
        "SELECT format, {columns} FROM {{s}}.runs {condition} ORDER BY id DESC LIMIT $1"
    ));
    let mut values = vec![Parameter::Integer(limit as i64)];
    values.extend(before.map(of));
    let found = database.rows(&sql, &values).await?;
    found.iter().map(|row| run_row("the runs", row)).collect()
}

/// The runs of these numbers, newest first.
pub(crate) async fn runs_of(
    database: &Database,
    numbers: &[i64],
) -> Result<Vec<RunRow>, StoreError> {
    let sql = format!("{} DESC", runs_sql(database, "WHERE id = ANY($1)"));
    let numbers = numbers.iter().copied().map(Some).collect();
    let found = database.rows(&sql, &[Parameter::Integers(numbers)]).await?;
    found.iter().map(|row| run_row("the runs", row)).collect()
}

/// The ids that begin or, if none does, end with a text.
pub(crate) async fn run_ids(
    database: &Database,
    text: &str,
    limit: usize,
) -> Result<Vec<RunId>, StoreError> {
    // An id has no backslash and no zero, so texts that must be escaped match none.
    let text = escaped(text.into()).into_owned();
    let begin = database.sql(
        "SELECT run_id FROM {s}.runs WHERE run_id >= $1 AND run_id < $2 UNION \
         SELECT run_id FROM {s}.runs WHERE run_id >= $3 AND run_id < $4 ORDER BY 1 LIMIT $5",
    );
    let end = database.sql(
        "SELECT run_id FROM {s}.runs WHERE right(run_id, length($1)) = $1 ORDER BY 1 LIMIT $2",
    );
    let full = format!("{}{text}", RunId::PREFIX);
    let after = |text: &str| Parameter::Text(format!("{text}{}", char::MAX));
    let limit = Parameter::Integer(limit as i64);
    let range = [
        Parameter::Text(text.clone()),
        after(&text),
        Parameter::Text(full.clone()),
        after(&full),
        limit.clone(),
    ];
    let mut found = database.rows(&begin, &range).await?;
    if found.is_empty() {
        found = database.rows(&end, &[Parameter::Text(text), limit]).await?;
    }
    let id = |row: &Row| row.try_get::<_, String>(0).ok()?.parse().ok();
    Ok(found.iter().filter_map(id).collect())
}

/// One run.
pub(crate) async fn run(database: &Database, run: &RunId) -> Result<RunRow, StoreError> {
    let sql = runs_sql(database, "WHERE run_id = $1");
    let found = database.rows(&sql, &[of(run)]).await?;
    let row = found
        .first()
        .ok_or_else(|| StoreError::UnknownRun(run.to_string()))?;
    run_row(&format!("run `{run}`"), row)
}

/// The row of a run, from its columns after the format.
pub(crate) fn run_row(what: &str, row: &Row) -> Result<RunRow, StoreError> {
    let mut kinds = vec![ColumnKind::Integer];
    kinds.extend(RunRow::kinds());
    let mut columns = Columns::new(row, &kinds);
    let format = columns.get().map_err(|detail| damaged(what, detail))?;
    check_format(format)?;
    columns.row().map_err(|detail| damaged(what, detail))
}

/// Refuses a journal this program cannot read.
pub(crate) fn check_format(found: u32) -> Result<(), StoreError> {
    if found > JOURNAL_FORMAT {
        return Err(StoreError::NewerFormat {
            found,
            known: JOURNAL_FORMAT,
        });
    }
    Ok(())
}

/// Fails for a run that does not exist, or whose journal this program cannot read.
pub(crate) async fn must_exist(database: &Database, run: &RunId) -> Result<(), StoreError> {
    let sql = database.sql("SELECT format FROM {s}.runs WHERE run_id = $1");
    let found = database.rows(&sql, &[of(run)]).await?;
    let row = found
        .first()
        .ok_or_else(|| StoreError::UnknownRun(run.to_string()))?;
    let format: i64 = row.try_get(0).unwrap_or(i64::MAX);
    check_format(u32::try_from(format).unwrap_or(u32::MAX))
}

/// The SELECT of a page of the journal: the run is $1, the event before is $2, the limit $3.
pub(crate) fn events_sql(database: &Database) -> String {
    database.sql(
        "SELECT seq, at, body FROM {s}.events WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
    )
}

/// A page of the journal.
pub(crate) async fn events(
    database: &Database,
    run: &RunId,
    after: Seq,
    limit: usize,
) -> Result<Vec<Event>, StoreError> {
    let found = database
        .rows(&events_sql(database), &page(run, after, limit))
        .await?;
    if found.is_empty() {
        must_exist(database, run).await?;
    } else if after == Seq(0) {
        // A journal of a newer format is refused at its beginning, before its events are misread.
        must_exist(database, run).await?;
    }
    found.iter().map(|row| event(run, row)).collect()
}

/// An event from a row of [`events_sql`].
pub(crate) fn event(run: &RunId, row: &Row) -> Result<Event, StoreError> {
    let what = || format!("the journal of run `{run}`");
    let mut columns = Columns::new(row, &JOURNAL);
    let read = |columns: &mut Columns<'_>| -> Result<Event, String> {
        let (seq, at) = (columns.get::<Seq>()?, columns.get()?);
        let text: String = columns.get()?;
        let body = EventBody::from_json(&text);
        let body = body.map_err(|error| format!("event {seq}, column `body`: {error}"))?;
        Ok(Event { seq, at, body })
    };
    read(&mut columns).map_err(|detail| damaged(what(), detail))
}

/// All rows of a table that belong to a run.
pub(crate) async fn of_run<R: Stored>(
    database: &Database,
    run: &RunId,
    tail: &str,
) -> Result<Vec<R>, StoreError> {
    let mut sql = database.select::<R>();
    sql.push_str(&database.sql(tail));
    let found = database.read(what::<R>(run), &sql, &[of(run)]).await?;
    if found.is_empty() {
        must_exist(database, run).await?;
    }
    Ok(found)
}

/// A page of a table with one row per event.
pub(crate) async fn page_of_run<R: Stored>(
    database: &Database,
    run: &RunId,
    after: Seq,
    limit: usize,
) -> Result<Vec<R>, StoreError> {
    let select = database.select::<R>();
    let sql = format!("{select} WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3");
    let found = database
        .read(what::<R>(run), &sql, &page(run, after, limit))
        .await?;
    if found.is_empty() {
        must_exist(database, run).await?;
    }
    Ok(found)
}

/// What the database does not check by itself: rows whose run or text does not exist.
pub(crate) async fn integrity(database: &Database) -> Result<Vec<String>, StoreError> {
    let mut findings = Vec::new();
    for (table, parent, key) in [
        ("events", "runs", "run_id"),
        ("candidates", "runs", "run_id"),
        ("candidates", "texts", "candidate_id"),
        ("trials", "runs", "run_id"),
        ("rollouts", "runs", "run_id"),
        ("reflections", "runs", "run_id"),
        ("snapshots", "runs", "run_id"),
        ("runs", "claims", "run_id"),
    ] {
        let sql = format!(
            "SELECT count(*) FROM {{s}}.{table} AS row WHERE NOT EXISTS \
             (SELECT 1 FROM {{s}}.{parent} AS parent WHERE parent.{key} = row.{key})"
        );
        let found = database.rows(&database.sql(&sql), &[]).await?;
        let count: i64 = found
            .first()
            .map_or(0, |row| row.try_get(0).unwrap_or_default());
        findings.extend((0..count).map(|_| {
            format!("a row of `{table}` refers to a row of `{parent}` that does not exist")
        }));
    }
    Ok(findings)
}

pub(crate) fn of(run: &RunId) -> Parameter {
    Parameter::Text(run.as_str().to_owned())
}

/// A count as an integer of PostgreSQL.
pub(crate) fn int(count: u64) -> Parameter {
    Parameter::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

pub(crate) fn page(run: &RunId, after: Seq, limit: usize) -> [Parameter; 3] {
    [of(run), int(after.0), int(limit as u64)]
}

fn what<R: Stored>(run: &RunId) -> String {
    format!("the {} of run `{run}`", R::TABLE)
}
