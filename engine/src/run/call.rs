//! One call in flight: what it is, how it is made, and what it comes back with.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use gepa_evaluation::{
    ChatRequest, Completion, Evaluation, Evaluator, FailureKind, LanguageModel, ModelError,
    ModelErrorKind, Outcome, RolloutRequest, Usage,
};
use tokio::sync::mpsc;
use tokio::task;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use super::facts::RolloutJob;
use crate::core::ReflectionWork;
use crate::ids::Timestamp;

/// What is in flight.
pub(super) enum Call {
    Rollout(RolloutJob),
    Reflection {
        work: Box<ReflectionWork>,
        started_at: Timestamp,
    },
}

/// What a call comes back with.
pub(super) enum Done {
    Rollout {
        evaluation: Evaluation,
        seconds: f64,
    },
    Reflection(Result<Completion, ModelError>),
}

/// A call that is done, by its place among the calls of its task.
pub(super) type Placed = (usize, Done);

/// A call that is done before the others of its task.
pub(super) struct Report {
    pub(super) task: task::Id,
    pub(super) done: Vec<Placed>,
}

impl Call {
    /// What a panic of its task comes to.
    pub(super) fn panicked(&self) -> Done {
        match self {
            Self::Rollout(_) => Done::Rollout {
                evaluation: evaluator_panicked(),
                seconds: 0.0,
            },
            Self::Reflection { .. } => Done::Reflection(Err(panicked())),
        }
    }
}

/// Runs rollouts that share a task, each within the time it may take. Those that need not wait are
/// done one after the other; where some wait, each is reported as soon as it is done. Returns what
/// was not reported.
pub(super) async fn evaluate(
    evaluator: Arc<dyn Evaluator>,
    rollouts: Vec<(RolloutRequest, Span)>,
    timeout: Duration,
    reports: mpsc::UnboundedSender<Report>,
) -> Vec<Placed> {
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let mut done = Vec::with_capacity(rollouts.len());
    let mut waiting = Vec::new();
    let mut begun = Instant::now();
    for (place, (request, span)) in rollouts.into_iter().enumerate() {
        let mut context = Context::from_waker(&waker);
        let first = begin(&*evaluator, request, &span, &mut context);
        let now = Instant::now();
        match first {
            Begun::Done(evaluation) => done.push((place, timed(evaluation, now - begun))),
            Begun::Waiting(call) => {
                let rest = finish(call, begun, timeout).instrument(span);
                let placed = move |evaluation| (place, timed(evaluation, begun.elapsed()));
                waiting.push(rest.map(placed));
            }
        }
        begun = now;
    }
    if done.is_empty() && waiting.len() == 1 {
        if let Some(only) = waiting.pop() {
            done.push(only.await);
        }
        return done;
    }
    if waiting.is_empty() {
        return done;
    }
    let task = task::id();
    let report = |done| {
        // Nobody takes reports any more once the run has been dropped.
        let _ = reports.send(Report { task, done });
    };
    report(done);
    let mut waiting: FuturesUnordered<_> = waiting.into_iter().collect();
    while let Some(placed) = waiting.next().await {
        report(vec![placed]);
    }
    Vec::new()
}

/// Asks the reflection model.
pub(super) async fn reflect(
    model: &dyn LanguageModel,
    request: ChatRequest,
) -> Result<Completion, ModelError> {
    let guarded = AssertUnwindSafe(model.complete(request)).catch_unwind();
    guarded.await.unwrap_or_else(|_| Err(panicked()))
}

type Evaluating<'e> = Pin<Box<dyn Future<Output = Evaluation> + Send + 'e>>;

/// How far a rollout got without waiting.
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart at once; a box costs more than the move"
)]
enum Begun<'e> {
    Done(Evaluation),
    Waiting(Evaluating<'e>),
}

/// Begins a rollout. A panic is its own, wherever in the evaluator it comes from.
fn begin<'e>(
    evaluator: &'e dyn Evaluator,
    request: RolloutRequest,
    span: &Span,
    context: &mut Context<'_>,
) -> Begun<'e> {
    let attempt = || {
        let _entered = span.enter();
        let mut call = evaluator.evaluate(request);
        match call.as_mut().poll(context) {
            Poll::Ready(evaluation) => Begun::Done(evaluation),
            Poll::Pending => Begun::Waiting(call),
        }
    };
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Begun::Done(evaluator_panicked()))
}

/// Waits for a rollout, as long as it may take.
async fn finish(call: Evaluating<'_>, begun: Instant, timeout: Duration) -> Evaluation {
    #[expect(
        clippy::redundant_async_block,
        reason = "the call is dropped within it, so that a panic of what is left of it is caught too"
    )]
    let guarded = AssertUnwindSafe(async move { call.await }).catch_unwind();
    match tokio::time::timeout_at(begun + timeout, guarded).await {
        Ok(Ok(evaluation)) => evaluation,
        Ok(Err(_)) => evaluator_panicked(),
        Err(_) => {
            let message = format!("no result within {} s", timeout.as_secs_f64());
            Evaluation::free(Outcome::failed(FailureKind::Timeout, message))
        }
    }
}

fn timed(evaluation: Evaluation, elapsed: Duration) -> Done {
    Done::Rollout {
        evaluation,
        seconds: elapsed.as_secs_f64(),
    }
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
