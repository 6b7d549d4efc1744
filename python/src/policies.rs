//! Choices that Python makes. Each answer is journaled, so that a run can be resumed and replayed
//! without the object that gave it.

use std::sync::{Arc, Mutex, PoisonError};

use gepa_archive::{CandidateIndex, Draw};
use gepa_engine::RandomSource;
use gepa_engine::policy::{
    AcceptanceRule, GateQuestion, MinibatchQuestion, MinibatchSampler, ParentQuestion,
    ParentSelector, ParetoEvaluation, Policies, RowPlan, RowQuestion, RowScore, RowStep,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// The first exception that a policy raised since the last look.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Option<PyErr>>>);

impl Raised {
    /// Takes the exception out.
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, error: PyErr) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(error);
    }
}

/// A Python callable in the place of a policy.
struct Foreign {
    callable: Py<PyAny>,
    raised: Raised,
}

impl Foreign {
    /// The answer, or `None` after an exception. The engine then takes a choice of its own, and the
    /// session raises the exception before anything is stored.
    fn ask<A>(&self, question: impl FnOnce(Python<'_>) -> PyResult<Py<PyTuple>>) -> Option<A>
    where
        A: for<'a, 'py> FromPyObject<'a, 'py, Error: Into<PyErr>>,
    {
        Python::attach(|py| {
            let answer = question(py).and_then(|arguments| {
                let answer = self.callable.bind(py).call1(arguments.bind(py))?;
                answer.extract::<A>().map_err(Into::into)
            });
            answer.map_err(|error| self.raised.note(error)).ok()
        })
    }
}

macro_rules! arguments {
    ($($argument:expr),*) => {
        |py| Ok(($($argument,)*).into_pyobject(py)?.unbind())
    };
}

/// The policies that `callables` names: `parent`, `minibatch`, `gate` and `row`.
pub(crate) fn policies_of(callables: &Bound<'_, PyDict>, raised: &Raised) -> PyResult<Policies> {
    let foreign = |name: &str| -> PyResult<Option<Foreign>> {
        let callable = callables.get_item(name)?;
        Ok(callable.map(|callable| Foreign {
            callable: callable.unbind(),
            raised: raised.clone(),
        }))
    };
    let mut policies = Policies::new();
    if let Some(parent) = foreign("parent")? {
        policies = policies.parent(Parent(parent));
    }
    if let Some(minibatch) = foreign("minibatch")? {
        policies = policies.minibatch(Minibatch(minibatch));
    }
    if let Some(gate) = foreign("gate")? {
        policies = policies.acceptance(Gate(gate));
    }
    if let Some(row) = foreign("row")? {
        policies = policies.evaluation(Rows(row));
    }
    Ok(policies)
}

struct Parent(Foreign);

impl ParentSelector for Parent {
    fn select(
        &mut self,
        question: &ParentQuestion<'_>,
        _: &mut dyn Draw,
    ) -> Option<CandidateIndex> {
        let index: u32 = self.0.ask(arguments!(question.iteration))?;
        Some(CandidateIndex(index))
    }
}

struct Minibatch(Foreign);

impl MinibatchSampler for Minibatch {
    fn sample(&mut self, question: &MinibatchQuestion, _: &mut dyn RandomSource) -> Vec<usize> {
        self.0
            .ask(arguments!(
                question.iteration,
                question.chunk,
                question.parent.0
            ))
            .unwrap_or_default()
    }
}

struct Gate(Foreign);

impl AcceptanceRule for Gate {
    fn passes(&mut self, question: &GateQuestion<'_>) -> bool {
        self.0
            .ask(arguments!(
                question.iteration,
                question.parent_sum,
                question.child_sum
            ))
            .unwrap_or_default()
    }
}

struct Rows(Foreign);

/// Positions of the pareto set, requested once.
struct Row(Option<Vec<usize>>);

impl ParetoEvaluation for Rows {
    fn row(&mut self, question: &RowQuestion<'_>, _: &mut dyn RandomSource) -> Box<dyn RowPlan> {
        Box::new(Row(self.0.ask(arguments!(question.iteration))))
    }

    fn first(&self, pareto: usize) -> usize {
        pareto
    }
}

impl RowPlan for Row {
    fn next(&mut self, _: &[RowScore]) -> RowStep {
        match self.0.take() {
            Some(positions) if !positions.is_empty() => RowStep::Run(positions),
            _ => RowStep::Enter,
        }
    }
}
