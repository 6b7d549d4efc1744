//! Tables of stored runs, column by column.

use std::sync::Arc;

use gepa_engine::record::export::{EVENT_EXPORT, ExportColumn};
use gepa_engine::record::{
    CANDIDATE_EXPORT, CandidateOrder, REFLECTION_EXPORT, ROLLOUT_EXPORT, ScoreHistory,
    TRIAL_EXPORT, reflections_with_texts, statistics, trials_that_ran,
};
use gepa_engine::{EventPages, RolloutPages, RunId, Store, StoreError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList};
use serde_json::{Map, Value};

use crate::session::runtime_of;

/// The ids of all runs in a store, oldest first.
#[pyfunction]
pub(crate) fn runs(py: Python<'_>, store: &str) -> PyResult<Vec<String>> {
    let names = py.detach(|| -> Result<Vec<String>, String> {
        let reading = async { gepa_postgres::open_existing(store).await?.runs().await };
        let runs = wait(store, reading)?.map_err(text)?;
        let ids = runs.iter().map(|run| run.run_id.as_str().to_owned());
        Ok(ids.collect())
    });
    names.map_err(PyRuntimeError::new_err::<String>)
}

/// One table of a run as a dictionary from column to list: `statistics` (columns of one value),
/// `candidates`, `trials`, `rollouts`, `reflections` or `events`.
#[pyfunction]
pub(crate) fn read_table<'py>(
    py: Python<'py>,
    store: &str,
    run: &str,
    table: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let columns = py
        .detach(|| read(store, run, table))
        .map_err(PyRuntimeError::new_err)?;
    let dictionary = PyDict::new(py);
    for (name, values) in columns {
        let list = PyList::empty(py);
        for value in &values {
            list.append(object(py, value)?)?;
        }
        dictionary.set_item(name, list)?;
    }
    Ok(dictionary)
}

/// Names and values of the columns.
pub(crate) type Columns = Vec<(String, Vec<Value>)>;

/// Reads one table of a run.
pub(crate) fn read(url: &str, run: &str, table: &str) -> Result<Columns, String> {
    let run: &RunId = &run.parse().map_err(text::<gepa_engine::BadRunId>)?;
    let reading = async {
        let store = gepa_postgres::open_existing(url).await?;
        let row = store.run(run).await?;
        Ok::<_, StoreError>(match table {
            "statistics" => single(statistics(&row)),
            "candidates" => {
                let order = CandidateOrder::Iteration;
                let history = &mut ScoreHistory::default();
                let rows = order.read(&*store, &row, history).await?;
                columns(CANDIDATE_EXPORT, &row, &rows)
            }
            "trials" => columns(TRIAL_EXPORT, &(), &trials_that_ran(&*store, run).await?),
            "rollouts" => {
                let mut rows = Vec::new();
                let mut pages = RolloutPages::of(&*store, run);
                while let Some(page) = pages.next().await? {
                    rows.extend(page);
                }
                columns(ROLLOUT_EXPORT, &(), &rows)
            }
            "reflections" => {
                let calls = reflections_with_texts(&*store, run).await?;
                columns(REFLECTION_EXPORT, &(), &calls)
            }
            "events" => columns(EVENT_EXPORT, run, &all_events(&store, run).await?),
            _ => Vec::new(),
        })
    };
    let columns = wait(url, reading)?.map_err(text)?;
    if columns.is_empty() {
        return Err(format!(
            "there is no table `{table}`; there are statistics, candidates, trials, rollouts, reflections and events"
        ));
    }
    Ok(columns)
}

async fn all_events(
    store: &Arc<dyn Store>,
    run: &RunId,
) -> Result<Vec<gepa_engine::Event>, StoreError> {
    let mut events = Vec::new();
    let mut pages = EventPages::of(&**store, run);
    while let Some(page) = pages.next().await? {
        events.extend(page);
    }
    Ok(events)
}

fn single(object: Map<String, Value>) -> Columns {
    let named = object.into_iter();
    named.map(|(name, value)| (name, vec![value])).collect()
}

fn columns<C, T>(exported: &[ExportColumn<C, T>], context: &C, rows: &[T]) -> Columns {
    let named = exported.iter();
    named
        .map(|(name, value)| {
            let values = rows.iter().map(|row| value(context, row)).collect();
            ((*name).to_owned(), values)
        })
        .collect()
}

fn wait<T>(store: &str, future: impl Future<Output = T>) -> Result<T, String> {
    Ok(runtime_of(store).map_err(text)?.block_on(future))
}

fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

fn object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (None, Some(number)) => number.into_pyobject(py)?.into_any(),
            _ => number.as_f64().into_pyobject(py)?.into_any(),
        },
        Value::String(text) => text.into_pyobject(py)?.into_any(),
        Value::Array(values) => {
            let list = PyList::empty(py);
            for value in values {
                list.append(object(py, value)?)?;
            }
            list.into_any()
        }
        Value::Object(fields) => {
            let dictionary = PyDict::new(py);
            for (name, value) in fields {
                dictionary.set_item(name, object(py, value)?)?;
            }
            dictionary.into_any()
        }
    })
}
