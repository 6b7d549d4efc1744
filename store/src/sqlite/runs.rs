//! Runs that meet conditions, newest first.

use std::collections::BTreeSet;

use gepa_engine::record::RunRow;
use gepa_engine::{RunQuery, RunTexts, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::labels;
use super::place::Place;
use super::read::runs_of;
use super::value::int;

/// Rows that are read at once where only the config of a run can tell.
const PAGE: usize = 64;

/// The rows.
pub(super) fn find(
    connection: &Connection,
    place: &Place,
    query: &RunQuery,
    limit: usize,
) -> Result<Vec<RunRow>, StoreError> {
    let ids = numbers(connection, place, query, limit)?;
    let mut found = Vec::new();
    for page in ids.chunks(PAGE) {
        let mut rows = runs_of(connection, place, page)?;
        rows.retain(|run| query.takes_config(&run.config));
        found.append(&mut rows);
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// How many there are.
pub(super) fn count(
    connection: &Connection,
    place: &Place,
    query: &RunQuery,
) -> Result<usize, StoreError> {
    let ids = numbers(connection, place, query, usize::MAX)?;
    if query.config.is_empty() {
        return Ok(ids.len());
    }
    let mut count = 0;
    for page in ids.chunks(PAGE) {
        let rows = runs_of(connection, place, page)?;
        let taken = rows.iter().filter(|run| query.takes_config(&run.config));
        count += taken.count();
    }
    Ok(count)
}

/// The numbers of the runs that meet all conditions but those on the config, of which only texts are searched.
fn numbers(
    connection: &Connection,
    place: &Place,
    query: &RunQuery,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let read = || read_numbers(connection, query, limit);
    read().map_err(|error| place.explain(&error))
}

fn read_numbers(
    connection: &Connection,
    query: &RunQuery,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    // A database of an earlier format has no labels.
    let labels = if labels::exist(connection)? {
        "labels"
    } else {
        "(SELECT NULL AS run_id, NULL AS tags, NULL AS note, NULL AS archived_at)"
    };
    let (conditions, mut values) = conditions(query);
    let texts = if query.word.is_some() {
        ", run_id, name, policy_provider, policy_model, coalesce(note, ''), coalesce(tags, '[]')"
    } else {
        ""
    };
    let is_exact = query.word.is_none() && query.config.is_empty();
    values.push(Value::from(if is_exact { int(limit as u64) } else { -1 }));
    let sql = format!(
        "SELECT runs.id{texts} FROM runs LEFT JOIN {labels} USING (run_id) WHERE {conditions} \
         ORDER BY runs.id DESC LIMIT ?{}",
        values.len()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if query.word.is_some() {
            let text = |column: usize| row.get::<_, String>(column);
            let tags: BTreeSet<String> = serde_json::from_str(&text(6)?).unwrap_or_default();
            let texts = RunTexts {
                run_id: &text(1)?,
                name: &text(2)?,
                provider: &text(3)?,
                model: &text(4)?,
                note: &text(5)?,
                tags: &tags,
            };
            if !query.takes_texts(texts) {
                continue;
            }
        }
        found.push(row.get(0)?);
    }
    Ok(found)
}

/// The condition of the SELECT, and the values of its parameters.
fn conditions(query: &RunQuery) -> (String, Vec<Value>) {
    let (mut conditions, mut values) = (vec!["TRUE".to_owned()], Vec::new());
    let mut add = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(before) = &query.before {
        let earlier = "runs.id < (SELECT id FROM runs WHERE run_id = ?)";
        add(earlier, Value::from(before.to_string()));
    }
    if !query.statuses.is_empty() {
        let names: Vec<&str> = query.statuses.iter().map(|one| one.as_str()).collect();
        let names = serde_json::json!(names).to_string();
        add(
            "status IN (SELECT value FROM json_each(?))",
            Value::from(names),
        );
    }
    if let Some(name) = &query.name {
        add("name = ?", Value::from(name.clone()));
    }
    for tag in &query.tags {
        let has_tag = "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)";
        add(has_tag, Value::from(tag.clone()));
    }
    if let Some(archived) = query.archived {
        let is_archived = "(archived_at IS NOT NULL) = ?";
        add(is_archived, Value::from(i64::from(archived)));
    }
    if let Some(at) = query.idle_since {
        // The key of an event is the number of its run and its own.
        let last = "coalesce((SELECT at FROM events WHERE events.id > runs.id << 40 \
                    AND events.id < (runs.id + 1) << 40 ORDER BY events.id DESC LIMIT 1), created_at) <= ?";
        add(last, Value::from(at.0));
    }
    for fragment in query.config_fragments() {
        add("instr(config, ?) > 0", Value::from(fragment));
    }
    (conditions.join(" AND "), values)
}
