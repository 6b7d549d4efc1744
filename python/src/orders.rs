//! Orders as tuples, and what comes back for them.

use std::ops::Range;
use std::sync::Arc;

use gepa_engine::{ExampleId, Order, Outcome, Scored};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyRange, PyRangeMethods, PyTuple};

use crate::names::{id, key, stage_name};

/// Objective scores of one example, by name.
pub(crate) type Named = Vec<(String, f64)>;

/// The largest size of a score that the engine takes.
const LARGEST: f64 = 1e100;

/// One order. `None` for kinds that the door does not know.
pub(crate) fn order<'py>(py: Python<'py>, order: &Order) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let tuple = match order {
        Order::Trial(one) => {
            let positions = one
                .rollouts
                .iter()
                .map(|(position, _)| u64::from(*position));
            let examples = one.rollouts.iter().map(|(_, example)| id(example));
            (
                "trial",
                key(one.trial),
                stage_name(one.stage),
                numbers(py, positions)?,
                numbers(py, examples)?,
            )
                .into_pyobject(py)?
        }
        Order::Reflection(one) => {
            ("reflection", one.iteration, &*one.component, one.attempt).into_pyobject(py)?
        }
        _ => return Ok(None),
    };
    Ok(Some(tuple))
}

/// Example numbers of a set or a trial; those that follow each other as a range.
pub(crate) fn examples<'py>(
    py: Python<'py>,
    examples: &[ExampleId],
) -> PyResult<Bound<'py, PyAny>> {
    numbers(py, examples.iter().map(id))
}

/// Numbers as a `range` where they follow each other, else as a list. A range is made in a fraction of the time.
fn numbers(
    py: Python<'_>,
    numbers: impl ExactSizeIterator<Item = u64> + Clone,
) -> PyResult<Bound<'_, PyAny>> {
    let first = numbers.clone().next().unwrap_or_default();
    let are_consecutive = numbers
        .clone()
        .zip(first..)
        .all(|(one, other)| one == other);
    match (isize::try_from(first), isize::try_from(numbers.len())) {
        (Ok(first), Ok(count)) if are_consecutive => {
            Ok(PyRange::new(py, first, first.saturating_add(count))?.into_any())
        }
        _ => Ok(PyList::new(py, numbers)?.into_any()),
    }
}

/// Places in a trial, given as a range or a list.
pub(crate) enum Positions {
    Consecutive(Range<u32>),
    Listed(Vec<u32>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Positions {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match given.cast::<PyRange>() {
            Ok(range) => {
                let place = |place: isize| {
                    u32::try_from(place).map_err(|error| PyValueError::new_err(error.to_string()))
                };
                Ok(Self::Consecutive(
                    place(range.start()?)?..place(range.stop()?)?,
                ))
            }
            Err(_) => given.extract().map(Self::Listed),
        }
    }
}

impl Positions {
    /// The places, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (range, list) = match self {
            Self::Consecutive(range) => (range.clone(), [].as_slice()),
            Self::Listed(list) => (0..0, list.as_slice()),
        };
        range.chain(list.iter().copied())
    }
}

/// Scores of a batch, of any type that Python converts to a number, within the sizes that the engine takes.
pub(crate) struct Given(pub(crate) Vec<f64>);

impl<'a, 'py> FromPyObject<'a, 'py> for Given {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let scores = given.try_iter()?.enumerate().map(|(place, score)| {
            let score = score?;
            let number = score.extract::<f64>().map_err(|error| {
                if !error.is_instance_of::<PyTypeError>(given.py()) {
                    return error;
                }
                let kind = score.get_type().name().map_or_else(
                    |_| "object without a name".to_owned(),
                    |name| name.to_string(),
                );
                PyTypeError::new_err(format!(
                    "the adapter returned a score of type {kind} at place {place} of the batch; return a number for \
                     every example"
                ))
            })?;
            usable(number)
        });
        scores.collect::<PyResult<_>>().map(Self)
    }
}

fn usable(score: f64) -> PyResult<f64> {
    if score.is_nan() {
        return Err(PyValueError::new_err(
            "the adapter returned a score that is no number (NaN); return one for every example",
        ));
    }
    Ok(score.clamp(-LARGEST, LARGEST))
}

/// Objective scores within the sizes that the engine takes.
pub(crate) fn usable_objectives(objectives: Named) -> PyResult<Named> {
    let usable = objectives.into_iter().map(|(name, score)| {
        if score.is_nan() {
            return Err(PyValueError::new_err(format!(
                "the adapter returned NaN for the objective `{name}`; leave the objective out where it has no score"
            )));
        }
        Ok((name, score.clamp(-LARGEST, LARGEST)))
    });
    usable.collect()
}

/// The outcome of one example.
pub(crate) fn outcome(score: f64, objectives: Named, output: Option<String>) -> Outcome {
    Outcome::Scored(Scored {
        score,
        objectives: objectives
            .into_iter()
            .map(|(name, score)| (Arc::from(name), score))
            .collect(),
        output,
        ..Scored::default()
    })
}

/// Scores on the pareto set that are turned into Python's numbers only when they are read.
#[pyclass(module = "gepa_engine._native", frozen)]
pub(crate) struct Scores(pub(crate) Vec<Option<f64>>);

#[pymethods]
impl Scores {
    /// One number or `None` for each example.
    fn read(&self) -> Vec<Option<f64>> {
        self.0.clone()
    }
}
