//! Checks that the tables equal what the journal says.

use std::fmt;
use std::sync::Arc;

use gepa_engine::record::{RolloutRow, RunRow, Tables};
use gepa_engine::{EventPages, RunId, Seq, Store, StoreError};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::numbering::take_in;

/// The number of rollouts compared at a time.
const PAGE: usize = 4_096;

/// A place where a table differs from the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub key: String,
    /// The column; empty if the difference concerns the whole row or the whole table.
    pub column: String,
    /// The stored value; `None` if the row or column is missing, the error if it cannot be read.
    pub stored: Option<Value>,
    /// The value that follows from the journal; `None` if the journal has no such row or column.
    pub rebuilt: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<Value>| match value {
            Some(value) => shortened(&value.to_string()),
            None => "nothing".to_owned(),
        };
        write!(formatter, "{} {}", self.table, self.key)?;
        if !self.column.is_empty() {
            write!(formatter, ", {}", self.column)?;
        }
        let (stored, rebuilt) = (show(&self.stored), show(&self.rebuilt));
        write!(
            formatter,
            ": {stored} is stored, the journal says {rebuilt}"
        )
    }
}

/// Rebuilds every row of a run from its journal and compares it with the stored row.
///
/// No process should write the run meanwhile. An error means that the journal itself cannot be read
/// or is inconsistent. Then nothing can be rebuilt.
pub async fn rebuild(store: &dyn Store, run: &RunId) -> Result<Vec<Difference>, StoreError> {
    let row = store.run(run).await?;
    let rebuilt = replayed(store, row.clone()).await?;
    let mut findings = Findings::default();
    let mut run_row = rebuilt.run();
    if row.summary.endings.is_none() {
        // Versions before 0.2 counted neither how proposals ended nor the range of scores.
        run_row.summary.endings = None;
    }
    if row.summary.rests.is_none() {
        run_row.summary.rests = None;
    }
    if row.summary.scores.is_none() {
        run_row.summary.scores = None;
    }
    findings.compare("runs", &["run_id"], Ok(vec![row]), &[&run_row]);
    findings.compare(
        "candidates",
        &["iteration"],
        store.candidates(run).await,
        &borrowed(rebuilt.candidates()),
    );
    findings.compare(
        "trials",
        &["trial_id"],
        store.trials(run).await,
        &borrowed(rebuilt.trials()),
    );
    compare_rollouts(store, &rebuilt, &mut findings).await?;
    findings.compare(
        "reflections",
        &["seq"],
        store.reflections(run).await,
        &rebuilt.reflections().iter().collect::<Vec<_>>(),
    );
    findings.compare(
        "snapshots",
        &["snapshot_id"],
        store.snapshots(run).await,
        &rebuilt.snapshots().iter().collect::<Vec<_>>(),
    );
    Ok(findings.0)
}

fn borrowed<T>(rows: &[Arc<T>]) -> Vec<&T> {
    rows.iter().map(|row| &**row).collect()
}

/// The tables of a run that follow from its journal.
///
/// # Errors
///
/// The journal cannot be read or is inconsistent.
pub async fn replayed(store: &dyn Store, row: RunRow) -> Result<Tables, StoreError> {
    let run = row.run_id.clone();
    let mut tables = Tables::new(row);
    let mut pages = EventPages::of(store, &run);
    while let Some(page) = pages.next().await? {
        take_in(&mut tables, &page)?;
    }
    Ok(tables)
}

/// A run has many rollouts, so they are compared by ranges of events and not all at once.
async fn compare_rollouts(
    store: &dyn Store,
    rebuilt: &Tables,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let run = rebuilt.run_id();
    let mut last = Seq(0);
    loop {
        let expected = rebuilt.rollouts_after(last).iter().take(PAGE);
        let expected: Vec<&RolloutRow> = expected.collect();
        // Every stored row after the last expected one is one too many.
        let end = if expected.len() < PAGE {
            Seq(u64::MAX)
        } else {
            expected.last().map_or(Seq(u64::MAX), |row| row.seq)
        };
        let stored = store.rollouts(run, last, PAGE).await.map(|mut rows| {
            rows.retain(|row| row.seq <= end);
            rows
        });
        let readable = stored.is_ok();
        findings.compare("rollouts", &["seq"], stored, &expected);
        if end == Seq(u64::MAX) || !readable {
            return Ok(());
        }
        last = end;
    }
}

#[derive(Default)]
struct Findings(Vec<Difference>);

impl Findings {
    /// Compares two versions of a table. The columns `key` identify a row.
    fn compare<T: Serialize + PartialEq>(
        &mut self,
        table: &'static str,
        key: &[&str],
        stored: Result<Vec<T>, StoreError>,
        rebuilt: &[&T],
    ) {
        match stored {
            Ok(rows) if rows.iter().eq(rebuilt.iter().copied()) => {}
            Ok(rows) => self.compare_rows(table, key, &rows, rebuilt),
            Err(error) => {
                let rows = Value::String(format!("{} rows", rebuilt.len()));
                let unreadable = Value::String(error.to_string());
                self.add(table, "", "", Some(unreadable), Some(rows));
            }
        }
    }

    fn compare_rows<T: Serialize>(
        &mut self,
        table: &'static str,
        key: &[&str],
        stored: &[T],
        rebuilt: &[&T],
    ) {
        let known = self.0.len();
        let mut left: IndexMap<String, Value> = keyed(stored.iter(), key).collect();
        for (row_key, expected) in keyed(rebuilt.iter().copied(), key) {
            match left.shift_remove(&row_key) {
                Some(found) => self.compare_columns(table, &row_key, &found, &expected),
                None => self.add(table, &row_key, "", None, Some(expected)),
            }
        }
        for (row_key, found) in left {
            self.add(table, &row_key, "", Some(found), None);
        }
        if self.0.len() == known {
            // All rows are equal, so a difference means another order or repeated rows.
            let order = |rows: Vec<&T>| -> Option<Value> {
                let names = keyed(rows.into_iter(), key).map(|(name, _)| name);
                Some(names.collect::<Vec<_>>().into())
            };
            let (found, expected) = (order(stored.iter().collect()), order(rebuilt.to_vec()));
            self.add(table, "", "order", found, expected);
        }
    }

    fn compare_columns(&mut self, table: &'static str, key: &str, stored: &Value, rebuilt: &Value) {
        let (Some(found), Some(expected)) = (stored.as_object(), rebuilt.as_object()) else {
            return;
        };
        for (column, value) in expected {
            let other = found.get(column);
            if other != Some(value) {
                self.add(table, key, column, other.cloned(), Some(value.clone()));
            }
        }
        for (column, value) in found {
            if !expected.contains_key(column) {
                self.add(table, key, column, Some(value.clone()), None);
            }
        }
    }

    fn add(
        &mut self,
        table: &'static str,
        key: &str,
        column: &str,
        stored: Option<Value>,
        rebuilt: Option<Value>,
    ) {
        self.0.push(Difference {
            table,
            key: key.to_owned(),
            column: column.to_owned(),
            stored,
            rebuilt,
        });
    }
}

fn keyed<'a, T: Serialize + 'a>(
    rows: impl Iterator<Item = &'a T>,
    key: &'a [&'a str],
) -> impl Iterator<Item = (String, Value)> {
    rows.map(move |row| {
        // Rows are plain data. A row that cannot be serialised would show as a row without columns.
        let columns = serde_json::to_value(row).unwrap_or_default();
        let parts: Vec<String> = key
            .iter()
            .map(|column| match &columns[*column] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect();
        (parts.join(" "), columns)
    })
}

fn shortened(text: &str) -> String {
    const LIMIT: usize = 200;
    let mut shown: String = text.chars().take(LIMIT).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
