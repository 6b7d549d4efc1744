//! A call: its purpose, how it is made, and its answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gepa_evaluation::{
    BatchAnswers, Evaluation, Evaluator, Failure, FailureKind, Outcome, ProposedTexts,
    ProposerError, RolloutClock, RolloutRequest, TrialBatch,
};
use tokio::sync::mpsc;
use tokio::task;
use tracing::Span;

use super::facts::RolloutJob;
use super::reflection::{ReflectionCall, panicked};

/// The purpose of a call.
pub(super) enum Call {
    Rollout(RolloutJob),
    Reflection(ReflectionCall),
}

/// The answer to a call.
pub(super) enum Answer {
    Rollout {
        evaluation: Evaluation,
        seconds: f64,
    },
    Reflection(Result<ProposedTexts, ProposerError>),
}

/// Answers with the places of their calls in the task.
pub(super) type Answered = Vec<(usize, Answer)>;

/// Answers that arrived before the other calls of their task ended.
pub(super) struct Report {
    pub(super) task: task::Id,
    pub(super) answered: Answered,
}

impl Call {
    /// The answer that a call gets when its task panics.
    pub(super) fn panicked(&self) -> Answer {
        match self {
            Self::Rollout(_) => Answer::Rollout {
                evaluation: Evaluation::free(Outcome::Failed(evaluator_panicked())),
                seconds: 0.0,
            },
            Self::Reflection(_) => Answer::Reflection(Err(panicked())),
        }
    }
}

/// A rollout at an evaluator that takes one at a time.
pub(super) struct RolloutCall(Guarded<Evaluation>);

/// A batch of rollouts at the evaluator.
pub(super) struct BatchCall {
    running: Guarded<()>,
    answers: Arc<BatchAnswers>,
}

/// Work of the evaluator, polled within its clock and its span, up to its time limit.
struct Guarded<T> {
    /// `None` once it is over.
    running: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    span: Span,
    /// Begins when the work is first polled.
    clock: Option<RolloutClock>,
    /// `None` for an evaluator that keeps the time itself.
    limit: Option<Duration>,
}

impl RolloutCall {
    /// Creates the call of a rollout, which may take `timeout`.
    pub(super) fn new(
        evaluator: Arc<dyn Evaluator>,
        request: RolloutRequest,
        timeout: Duration,
        span: Span,
    ) -> Self {
        let limit = (!evaluator.keeps_time()).then_some(timeout);
        let running = Box::pin(async move { evaluator.evaluate(request).await });
        Self(Guarded::new(running, span, limit))
    }

    /// Begins the call. Returns its answer if there is one at once.
    pub(super) fn try_at_once(&mut self) -> Option<Answer> {
        match self.0.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => Some(self.answer(ended)),
            Poll::Pending => None,
        }
    }

    /// Runs the call to its end or to its time limit.
    pub(super) async fn finish(mut self) -> Answer {
        let mut deadline = pin!(self.0.deadline());
        let ended = poll_fn(|context| self.0.poll_until(deadline.as_mut(), context)).await;
        self.answer(ended)
    }

    fn answer(&self, ended: Result<Evaluation, Failure>) -> Answer {
        let failed = |failure| Evaluation::free(Outcome::Failed(failure));
        Answer::Rollout {
            evaluation: ended.unwrap_or_else(failed),
            seconds: self.0.seconds(),
        }
    }
}

impl BatchCall {
    /// Creates the call of a batch, which may take `timeout` for each of its rollouts.
    pub(super) fn new(
        evaluator: Arc<dyn Evaluator>,
        batch: TrialBatch,
        timeout: Duration,
        span: Span,
    ) -> Self {
        let rollouts = batch.examples.len();
        let answers = Arc::new(BatchAnswers::new(rollouts));
        let given = Arc::clone(&answers);
        let in_all = timeout.saturating_mul(u32::try_from(rollouts).unwrap_or(u32::MAX));
        let limit = (!evaluator.keeps_time()).then_some(in_all);
        let running = Box::pin(async move { evaluator.evaluate_batch(batch, &given).await });
        Self {
            running: Guarded::new(running, span, limit),
            answers,
        }
    }

    /// Begins the call. Returns its answers if they are complete at once.
    pub(super) fn try_at_once(&mut self) -> Option<Answered> {
        match self.running.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => Some(self.end(ended)),
            Poll::Pending => None,
        }
    }

    /// Runs the call to its end or to its time limit. Answers that arrive at the same moment are
    /// reported together. The last ones are returned.
    pub(super) async fn finish(mut self, reports: mpsc::UnboundedSender<Report>) -> Answered {
        let mut deadline = pin!(self.running.deadline());
        let task = task::id();
        poll_fn(|context| {
            if let Poll::Ready(ended) = self.running.poll_until(deadline.as_mut(), context) {
                return Poll::Ready(self.end(ended));
            }
            let answered = self.take_answers();
            if !answered.is_empty() {
                // The receiver is gone once the run has been dropped, and the report is not needed
                // then.
                let _ = reports.send(Report { task, answered });
            }
            Poll::Pending
        })
        .await
    }

    /// Rollouts without an answer have failed once the call is over.
    fn end(&self, ended: Result<(), Failure>) -> Answered {
        if !self.answers.is_complete() {
            let failure = ended.err().unwrap_or_else(TrialBatch::no_answer);
            self.answers.fail_rest(&failure);
        }
        self.take_answers()
    }

    fn take_answers(&self) -> Answered {
        let given = self.answers.take();
        if given.is_empty() {
            return Vec::new();
        }
        let seconds = self.running.seconds();
        let answers = given.into_iter().map(|(place, evaluation)| {
            let answer = Answer::Rollout {
                evaluation,
                seconds,
            };
            (place, answer)
        });
        answers.collect()
    }
}

impl<T> Guarded<T> {
    fn new(
        running: Pin<Box<dyn Future<Output = T> + Send>>,
        span: Span,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            running: Some(running),
            span,
            clock: None,
            limit,
        }
    }

    /// Polls the work. A panic ends it. Not to be called again once it is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, Failure>> {
        let clock = self.clock.get_or_insert_with(RolloutClock::start);
        let Some(mut running) = self.running.take() else {
            return Poll::Pending;
        };
        let attempt = || {
            let _entered = self.span.enter();
            match clock.enter(|| running.as_mut().poll(context)) {
                Poll::Ready(result) => Ok(result),
                Poll::Pending => Err(running),
            }
        };
        // The evaluator's future may also panic while it is dropped.
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(Ok(result)) => Poll::Ready(Ok(result)),
            Ok(Err(running)) => {
                self.running = Some(running);
                Poll::Pending
            }
            Err(_) => Poll::Ready(Err(evaluator_panicked())),
        }
    }

    /// Polls the work, and ends it once its time limit has passed.
    fn poll_until(
        &mut self,
        deadline: Pin<&mut impl Future<Output = Duration>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, Failure>> {
        if let Poll::Ready(ended) = self.poll(context) {
            return Poll::Ready(ended);
        }
        let Poll::Ready(limit) = deadline.poll(context) else {
            return Poll::Pending;
        };
        self.running = None;
        let message = format!("no result within {} s", limit.as_secs_f64());
        Poll::Ready(Err(Failure::new(FailureKind::Timeout, message)))
    }

    /// Waits until the work has used its time limit; pending forever if it has none.
    fn deadline(&mut self) -> impl Future<Output = Duration> + use<T> {
        let clock = self.clock.get_or_insert_with(RolloutClock::start).clone();
        let limit = self.limit;
        async move {
            match limit {
                Some(limit) => {
                    clock.ran_for(limit).await;
                    limit
                }
                None => std::future::pending().await,
            }
        }
    }

    /// The time since the work began, in seconds.
    fn seconds(&self) -> f64 {
        let clock = self.clock.as_ref();
        clock.map_or(0.0, |clock| clock.age().as_secs_f64())
    }
}

fn evaluator_panicked() -> Failure {
    Failure::new(FailureKind::Permanent, "the evaluator panicked")
}
