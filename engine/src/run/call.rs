//! A call: its purpose, how it is made, and its answer.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gepa_evaluation::{
    BatchAnswers, Evaluation, Evaluator, Failure, FailureKind, Outcome, ProposedTexts,
    ProposerError, RolloutClock, TrialBatch,
};
use tokio::sync::mpsc;
use tokio::task;
use tokio::time::Instant;
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

/// A batch of rollouts at the evaluator.
pub(super) struct BatchCall {
    /// `None` once it is over.
    running: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    answers: Arc<BatchAnswers>,
    span: Span,
    /// Since the call was first polled.
    begun: Option<(Instant, RolloutClock)>,
    /// `None` for an evaluator that keeps the time itself.
    limit: Option<Duration>,
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
        let limit = if evaluator.keeps_time() {
            None
        } else {
            Some(timeout.saturating_mul(u32::try_from(rollouts).unwrap_or(u32::MAX)))
        };
        Self {
            running: Some(Box::pin(async move {
                evaluator.evaluate_batch(batch, &given).await;
            })),
            answers,
            span,
            begun: None,
            limit,
        }
    }

    /// Begins the call. Returns its answers if they are complete at once.
    pub(super) fn try_at_once(&mut self) -> Option<Answered> {
        let is_over = self.advance(&mut Context::from_waker(Waker::noop()));
        is_over.then(|| self.take_answers())
    }

    /// Runs the call to its end or to its time limit. Answers that arrive at the same moment are
    /// reported together. The last ones are returned.
    pub(super) async fn finish(mut self, reports: mpsc::UnboundedSender<Report>) -> Answered {
        let (_, clock) = self.begun.get_or_insert_with(now).clone();
        let limit = self.limit;
        let mut deadline = pin!(async move {
            match limit {
                Some(limit) => {
                    clock.ran_for(limit).await;
                    limit
                }
                None => std::future::pending().await,
            }
        });
        let task = task::id();
        poll_fn(|context| {
            let is_over = self.advance(context)
                || match deadline.as_mut().poll(context) {
                    Poll::Ready(limit) => self.run_out(limit),
                    Poll::Pending => false,
                };
            let answered = self.take_answers();
            if is_over {
                return Poll::Ready(answered);
            }
            if !answered.is_empty() {
                // The receiver is gone once the run has been dropped, and the report is not needed
                // then.
                let _ = reports.send(Report { task, answered });
            }
            Poll::Pending
        })
        .await
    }

    /// Polls the call and returns whether it is over. Rollouts without an answer have then failed.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        let (_, clock) = self.begun.get_or_insert_with(now);
        let Some(mut running) = self.running.take() else {
            return true;
        };
        let attempt = || {
            let _entered = self.span.enter();
            match clock.enter(|| running.as_mut().poll(context)) {
                Poll::Ready(()) => None,
                Poll::Pending => Some(running),
            }
        };
        // A panic ends the call, also a panic while the evaluator's future is dropped.
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(None) => self.answers.fail_rest(&TrialBatch::no_answer()),
            Ok(running) => self.running = running,
            Err(_) => self.answers.fail_rest(&evaluator_panicked()),
        }
        self.running.is_none()
    }

    /// Ends the call because its time limit has passed.
    fn run_out(&mut self, limit: Duration) -> bool {
        let message = format!("no result within {} s", limit.as_secs_f64());
        let failure = Failure::new(FailureKind::Timeout, message);
        self.answers.fail_rest(&failure);
        self.running = None;
        true
    }

    fn take_answers(&self) -> Answered {
        let given = self.answers.take();
        if given.is_empty() {
            return Vec::new();
        }
        let elapsed = self.begun.as_ref();
        let elapsed = elapsed.map_or(Duration::ZERO, |(begun, _)| begun.elapsed());
        let seconds = elapsed.as_secs_f64();
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

fn now() -> (Instant, RolloutClock) {
    (Instant::now(), RolloutClock::start())
}

fn evaluator_panicked() -> Failure {
    Failure::new(FailureKind::Permanent, "the evaluator panicked")
}
