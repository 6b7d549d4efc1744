//! One call in flight: what it is, how it is made, and what it comes back with.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use gepa_evaluation::{
    ChatRequest, Completion, Evaluation, Evaluator, FailureKind, LanguageModel, ModelError,
    ModelErrorKind, Outcome, RolloutRequest, Usage,
};

use super::facts::RolloutJob;
use crate::core::ReflectionWork;
use crate::ids::Timestamp;

/// What is in flight.
pub(super) enum Call {
    Rollout(Box<RolloutJob>),
    Reflection {
        work: Box<ReflectionWork>,
        started_at: Timestamp,
    },
}

/// What a task comes back with.
pub(super) enum Done {
    Rollout {
        evaluation: Box<Evaluation>,
        seconds: f64,
    },
    Reflection(Result<Completion, ModelError>),
}

impl Call {
    /// What a panic of its task comes to.
    pub(super) fn panicked(&self) -> Done {
        match self {
            Self::Rollout(_) => Done::Rollout {
                evaluation: Box::new(evaluator_panicked()),
                seconds: 0.0,
            },
            Self::Reflection { .. } => Done::Reflection(Err(panicked())),
        }
    }
}

/// Runs a rollout within the time it may take.
pub(super) async fn evaluate(
    evaluator: &dyn Evaluator,
    request: RolloutRequest,
    timeout: Duration,
) -> Evaluation {
    let guarded = AssertUnwindSafe(evaluator.evaluate(request)).catch_unwind();
    match tokio::time::timeout(timeout, guarded).await {
        Ok(Ok(evaluation)) => evaluation,
        Ok(Err(_)) => evaluator_panicked(),
        Err(_) => {
            let message = format!("no result within {} s", timeout.as_secs_f64());
            Evaluation::free(Outcome::failed(FailureKind::Timeout, message))
        }
    }
}

/// Asks the reflection model.
pub(super) async fn reflect(
    model: &dyn LanguageModel,
    request: ChatRequest,
) -> Result<Completion, ModelError> {
    let guarded = AssertUnwindSafe(model.complete(request)).catch_unwind();
    guarded.await.unwrap_or_else(|_| Err(panicked()))
}

fn evaluator_panicked() -> Evaluation {
    Evaluation::free(Outcome::failed(
        FailureKind::Permanent,
        "the evaluator panicked",
    ))
}

fn panicked() -> ModelError {
    ModelError {
        kind: ModelErrorKind::Permanent,
        message: "the reflection model panicked".to_owned(),
        usage: Usage::default(),
    }
}
