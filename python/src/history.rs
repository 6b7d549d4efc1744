//! Stored events as tuples, from which the Python layer of a resumed run is rebuilt.

use gepa_engine::{Event, EventBody, Fact, Outcome};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::decisions::{Told, decision, is_told};
use crate::names::{id, key, stage_name};

/// One stored event; `None` for facts that the Python layer does not need.
pub(crate) fn event<'py>(py: Python<'py>, event: &Event) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let tuple = match &event.body {
        EventBody::Decision(one) if is_told(one) => decision(py, one, Told::Later)?,
        EventBody::Fact(Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled)) => {
            let (score, objectives, output, trace) = match &*settled.outcome {
                Outcome::Scored(scored) => (
                    Some(scored.score),
                    scored
                        .objectives
                        .iter()
                        .map(|(name, score)| (name.to_string(), *score))
                        .collect::<Vec<_>>(),
                    scored.output.clone(),
                    scored.trace.as_ref().map(ToString::to_string),
                ),
                Outcome::Failed(_) => (None, Vec::new(), None, None),
            };
            (
                "rollout",
                key(settled.trial),
                stage_name(settled.stage),
                settled.position,
                id(&settled.example),
                score,
                objectives,
                output,
                trace,
            )
                .into_pyobject(py)?
        }
        EventBody::Fact(Fact::ReflectionSettled(settled)) => (
            "reflection",
            settled.iteration,
            settled.component.as_str(),
            settled.text.as_deref(),
            settled.reply.as_deref(),
        )
            .into_pyobject(py)?,
        EventBody::Decision(_) | EventBody::Fact(_) => return Ok(None),
    };
    Ok(Some(tuple))
}
