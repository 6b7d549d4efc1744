//! Runs that meet conditions, newest first.

use std::collections::BTreeSet;

use gepa_engine::record::RunRow;
use gepa_engine::{RunQuery, RunTexts, StoreError};
use tokio_postgres::Row;

use crate::database::{Database, damaged};
use crate::read::{of, runs_of};
use crate::value::{Parameter, escaped, unescaped};

/// Rows that are read at once where only the config of a run can tell.
const PAGE: usize = 64;

/// The rows.
pub(crate) async fn find(
    database: &Database,
    query: &RunQuery,
    limit: usize,
) -> Result<Vec<RunRow>, StoreError> {
    let ids = numbers(database, query, limit).await?;
    let mut found = Vec::new();
    for page in ids.chunks(PAGE) {
        let mut rows = runs_of(database, page).await?;
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
pub(crate) async fn count(database: &Database, query: &RunQuery) -> Result<usize, StoreError> {
    let ids = numbers(database, query, usize::MAX).await?;
    if query.config.is_empty() {
        return Ok(ids.len());
    }
    let mut count = 0;
    for page in ids.chunks(PAGE) {
        let rows = runs_of(database, page).await?;
        let taken = rows.iter().filter(|run| query.takes_config(&run.config));
        count += taken.count();
    }
    Ok(count)
}

/// The numbers of the runs that meet all conditions but those on the config, of which only texts are searched.
async fn numbers(
    database: &Database,
    query: &RunQuery,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let (conditions, mut values) = conditions(query);
    let texts = if query.word.is_some() {
        ", r.run_id, name, policy_provider, policy_model, coalesce(note, ''), coalesce(tags, '[]')"
    } else {
        ""
    };
    let is_exact = query.word.is_none() && query.config.is_empty();
    let most = if is_exact { limit as u64 } else { u64::MAX };
    values.push(Parameter::Integer(i64::try_from(most).unwrap_or(i64::MAX)));
    let sql = database.sql(&format!(
        "SELECT r.id{texts} FROM {{s}}.runs r LEFT JOIN {{s}}.labels l ON l.run_id = r.run_id \
         WHERE {conditions} ORDER BY r.id DESC LIMIT ${}",
        values.len()
    ));
    let mut found = Vec::new();
    for row in database.rows(&sql, &values).await? {
        if query.word.is_none() || has_word(query, &row)? {
            let number = row.try_get(0);
            found.push(number.map_err(|error| damaged("the runs", error.to_string()))?);
        }
    }
    Ok(found)
}

fn has_word(query: &RunQuery, row: &Row) -> Result<bool, StoreError> {
    let text = |column: usize| -> Result<String, StoreError> {
        let stored: String = row
            .try_get(column)
            .map_err(|error| damaged("the runs", error.to_string()))?;
        let read = unescaped(&stored).map(std::borrow::Cow::into_owned);
        read.map_err(|detail| damaged("the runs", detail.0))
    };
    let tags: BTreeSet<String> = serde_json::from_str(&text(6)?).unwrap_or_default();
    Ok(query.takes_texts(RunTexts {
        run_id: &text(1)?,
        name: &text(2)?,
        provider: &text(3)?,
        model: &text(4)?,
        note: &text(5)?,
        tags: &tags,
    }))
}

/// The condition of the SELECT, and the values of its parameters.
fn conditions(query: &RunQuery) -> (String, Vec<Parameter>) {
    let (mut conditions, mut values) = (vec!["TRUE".to_owned()], Vec::new());
    let mut add = |condition: &str, value: Parameter| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("${}", values.len())));
    };
    let text = |value: &str| Parameter::Text(escaped(value.into()).into_owned());
    if let Some(before) = &query.before {
        add(
            "r.id < (SELECT id FROM {s}.runs WHERE run_id = ?)",
            of(before),
        );
    }
    if !query.statuses.is_empty() {
        let names = query.statuses.iter();
        let names = names.map(|one| Some(one.as_str().to_owned())).collect();
        add("status = ANY(?)", Parameter::Texts(names));
    }
    if let Some(name) = &query.name {
        add("name = ?", text(name));
    }
    for tag in &query.tags {
        // A list of tags in JSON has a tag with its quotes, and within a tag a quote has a backslash before it.
        let quoted = serde_json::Value::from(tag.as_str()).to_string();
        add("position(? in coalesce(tags, '')) > 0", text(&quoted));
    }
    if let Some(archived) = query.archived {
        let is_archived = "(archived_at IS NOT NULL)::int = ?";
        add(is_archived, Parameter::Integer(i64::from(archived)));
    }
    if let Some(at) = query.idle_since {
        let last = "coalesce((SELECT at FROM {s}.events e WHERE e.run_id = r.run_id \
                    ORDER BY seq DESC LIMIT 1), created_at) <= ?";
        add(last, Parameter::Integer(at.0));
    }
    for fragment in query.config_fragments() {
        add("position(? in config) > 0", text(&fragment));
    }
    (conditions.join(" AND "), values)
}
