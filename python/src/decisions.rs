//! Decisions as tuples: a name, then the fields that the Python layer reads.

use gepa_engine::{Candidate, CandidateIndex, Decision, Origin, StopReason};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::orders::{Scores, examples};

/// Whether a decision was just made, or is read from the journal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Now,
    Later,
}

/// Whether the Python layer follows decisions of this kind.
pub(crate) fn is_told(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::ProposalIssued(_)
            | Decision::CandidateProposed(_)
            | Decision::GateDecided(_)
            | Decision::ProposalClosed(_)
            | Decision::CandidateAccepted(_)
            | Decision::StopDecided(_)
            | Decision::RunFinished(_)
    )
}

/// One decision. One that was just made has its scores as an object that reads them on demand.
pub(crate) fn decision<'py>(
    py: Python<'py>,
    decision: &Decision,
    told: Told,
) -> PyResult<Bound<'py, PyTuple>> {
    match decision {
        Decision::ProposalIssued(issued) => (
            "issued",
            issued.iteration,
            origin_name(issued.origin),
            indices(&issued.parents),
            examples(py, &issued.examples)?,
            issued.components.clone(),
        )
            .into_pyobject(py),
        Decision::CandidateProposed(proposed) => (
            "proposed",
            proposed.iteration,
            origin_name(proposed.origin),
            texts(py, &proposed.candidate)?,
        )
            .into_pyobject(py),
        Decision::GateDecided(gate) => (
            "gate",
            gate.iteration,
            gate.passed,
            gate.parent_sum,
            gate.child_sum,
        )
            .into_pyobject(py),
        Decision::ProposalClosed(closed) => (
            "closed",
            closed.iteration,
            reason_name(&closed.reason),
            closed.detail.as_str(),
        )
            .into_pyobject(py),
        Decision::CandidateAccepted(accepted) => (
            "accepted",
            accepted.iteration,
            accepted.index.0,
            indices(&accepted.parents),
            origin_name(accepted.origin),
            accepted.mean_score,
            match told {
                Told::Now => Scores(accepted.scores.clone())
                    .into_pyobject(py)?
                    .into_any(),
                Told::Later => accepted.scores.clone().into_pyobject(py)?,
            },
            accepted.best,
        )
            .into_pyobject(py),
        Decision::StopDecided(stop) => {
            ("stopped", stop_name(&stop.reason), stop.reason.to_string()).into_pyobject(py)
        }
        Decision::RunFinished(finished) => {
            let validation: Vec<(u32, Option<f64>, Vec<Option<f64>>)> = finished
                .validation
                .iter()
                .map(|one| (one.candidate.0, one.mean_score, one.scores.clone()))
                .collect();
            (
                "finished",
                stop_name(&finished.stop_reason),
                finished.best.map(|best| best.0),
                validation,
            )
                .into_pyobject(py)
        }
        other => ("other", other.kind()).into_pyobject(py),
    }
}

/// A candidate as a dictionary in the order of its components.
pub(crate) fn texts<'py>(py: Python<'py>, candidate: &Candidate) -> PyResult<Bound<'py, PyDict>> {
    let dictionary = PyDict::new(py);
    for (name, text) in candidate.components() {
        dictionary.set_item(&**name, &**text)?;
    }
    Ok(dictionary)
}

fn indices(candidates: &[CandidateIndex]) -> Vec<u32> {
    candidates.iter().map(|index| index.0).collect()
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Seed => "seed",
        Origin::Reflection => "reflection",
        Origin::Merge => "merge",
        _ => "injected",
    }
}

fn stop_name(reason: &StopReason) -> &'static str {
    reason.as_str()
}

fn reason_name(reason: &impl serde::Serialize) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
