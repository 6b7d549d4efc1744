//! One piece of work at a worker: executed, answered, acknowledged.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind};
use futures::FutureExt;
use futures::future::join_all;
use gepa_evaluation::{
    BatchAnswers, Evaluation, ExampleId, Failure, FailureKind, Outcome, ProposalRequest,
    ProposedTexts, ProposerError, ProposerErrorKind, RolloutClock, TrialBatch,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::large::content_name;
use crate::serving::Serving;
use crate::wire::{Answer, Body, Request, Rollouts, Work};
use crate::{QueueError, names, telemetry, wire};

/// Messages that say that work goes on, within the time after which it counts as lost.
const SIGNS_OF_LIFE: u32 = 3;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// One piece of work that a worker has taken.
pub(crate) struct Execution {
    pub(crate) serving: Arc<Serving>,
    pub(crate) message: jetstream::Message,
}

/// Whom an answer is for.
struct Asker {
    session: String,
    run: Arc<str>,
}

impl Execution {
    /// Executes the work and answers it. Returns how many rollouts were answered.
    pub(crate) async fn carry_out(self) -> usize {
        let (delivered, sequence) = match self.message.info() {
            Ok(info) => (info.delivered, info.stream_sequence),
            Err(error) => {
                tracing::warn!("a message is not from a stream: {error}");
                return 0;
            }
        };
        if delivered > 1 {
            telemetry::redelivered();
        }
        let lost_after = self.serving.settings.lost_after;
        let subject = self.message.subject.to_string();
        let withdrawn = self.serving.withdrawals(&subject);
        let work = async {
            match self.read().await {
                Ok(request) => self.answer_all(request, delivered, sequence).await,
                Err(error) => {
                    tracing::warn!("work is dropped: {error}");
                    let _ = self.message.ack_with(AckKind::Term).await;
                    0
                }
            }
        };
        let alive = async {
            loop {
                sleep(lost_after / SIGNS_OF_LIFE).await;
                let _ = self.message.ack_with(AckKind::Progress).await;
            }
        };
        let answered = tokio::select! {
            answered = work => answered,
            () = alive => 0,
            () = withdrawn.notified() => {
                let _ = self.message.ack().await;
                0
            }
        };
        self.serving.forget(&subject);
        answered
    }

    async fn read(&self) -> Result<Request, QueueError> {
        loop {
            match self.serving.queue.unpack(&self.message.message).await {
                Ok(bytes) => return wire::read(&bytes),
                // The content is there as long as the message is.
                Err(QueueError::Passing(reason)) => tracing::debug!("content: {reason}"),
                Err(error) => return Err(error),
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    async fn answer_all(&self, request: Request, delivered: i64, sequence: u64) -> usize {
        let session = request.session;
        let answered = match request.work {
            Work::Rollouts(rollouts) => {
                let run = Arc::clone(&rollouts.run_id);
                let asker = Asker { session, run };
                self.rollouts(rollouts, &asker, delivered, sequence).await
            }
            Work::Proposal(proposal) => {
                self.proposal(proposal, session, delivered, sequence).await;
                0
            }
        };
        // Each answer is stored by now.
        let _ = self.message.double_ack().await;
        let queue = &self.serving.queue;
        queue.discard(content_name(&self.message.message)).await;
        answered
    }

    async fn rollouts(
        &self,
        rollouts: Rollouts,
        asker: &Asker,
        delivered: i64,
        sequence: u64,
    ) -> usize {
        let seconds = rollouts.timeout_seconds.clamp(0.0, 1e9);
        let batch = rollouts.into_batch();
        let keys = names::rollout_keys(&batch);
        let open = self.unanswered(&batch, &keys, asker, delivered).await;
        let number = open.len();
        let keys_of = |examples: &[ExampleId]| -> Vec<String> {
            let mut part = batch.clone();
            part.examples = examples.to_vec();
            names::rollout_keys(&part)
        };
        if self.is_lost_too_often(delivered) {
            let failure = Self::lost(delivered);
            let outcome = || Evaluation::free(Outcome::Failed(failure.clone()));
            for key in keys_of(&open) {
                self.store(asker, key, Body::Rollout(outcome().into()), sequence)
                    .await;
            }
            return number;
        }
        let evaluator = &self.serving.evaluator;
        let largest = evaluator.largest_batch().map_or(usize::MAX, usize::from);
        let parts = open.chunks(largest.max(1).min(open.len().max(1)));
        let parts = parts.map(|examples| {
            let part = TrialBatch {
                examples: examples.to_vec(),
                ..batch.clone()
            };
            let limit = Duration::from_secs_f64(seconds).saturating_mul(examples.len() as u32);
            self.part(part, keys_of(examples), limit, asker, sequence)
        });
        join_all(parts).await;
        telemetry::answered(number);
        number
    }

    /// The examples that have no answer yet. A worker that was lost may have given some.
    async fn unanswered(
        &self,
        batch: &TrialBatch,
        keys: &[String],
        asker: &Asker,
        delivered: i64,
    ) -> Vec<ExampleId> {
        if delivered <= 1 {
            return batch.examples.clone();
        }
        let mut open = Vec::new();
        for (example, key) in batch.examples.iter().zip(keys) {
            let subject = names::answer(&asker.run, key);
            let answers = &self.serving.queue.answers;
            if answers.direct_get_last_for_subject(subject).await.is_err() {
                open.push(example.clone());
            }
        }
        open
    }

    /// Runs rollouts that the evaluator takes together, and stores each answer when it is there.
    async fn part(
        &self,
        batch: TrialBatch,
        keys: Vec<String>,
        limit: Duration,
        asker: &Asker,
        sequence: u64,
    ) {
        let evaluator = Arc::clone(&self.serving.evaluator);
        let answers = BatchAnswers::new(batch.examples.len());
        let clock = RolloutClock::start();
        let mut limited = pin!(clock.ran_for(limit));
        let running = AssertUnwindSafe(evaluator.evaluate_batch(batch, &answers)).catch_unwind();
        let running = clock.clone().scope(running);
        let mut running = pin!(running);
        let mut over = false;
        let mut storing = JoinSet::new();
        while !over {
            let step = poll_fn(|context| match running.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if answers.has_news() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            let step = tokio::select! {
                biased;
                step = step => Some(step),
                () = &mut limited => None,
            };
            match step {
                Some(None) => {}
                Some(Some(Ok(()))) => {
                    over = true;
                    answers.fail_rest(&TrialBatch::no_answer());
                }
                Some(Some(Err(_))) => {
                    over = true;
                    let message = "the evaluator panicked";
                    answers.fail_rest(&Failure::new(FailureKind::Permanent, message));
                }
                None => {
                    over = true;
                    let message = format!("no result within {} s", limit.as_secs_f64());
                    answers.fail_rest(&Failure::new(FailureKind::Timeout, message));
                }
            }
            for (place, evaluation) in answers.take() {
                let answer =
                    self.answer(asker, keys[place].clone(), Body::Rollout(evaluation.into()));
                let subject = names::answer(&asker.run, &keys[place]);
                storing.spawn(store(Arc::clone(&self.serving), subject, answer, sequence));
            }
        }
        while storing.join_next().await.is_some() {}
    }

    async fn proposal(
        &self,
        request: ProposalRequest,
        session: String,
        delivered: i64,
        sequence: u64,
    ) {
        let key = names::proposal_key(&request);
        let run = Arc::clone(&request.run_id);
        let asker = Asker { session, run };
        let proposed: Result<ProposedTexts, ProposerError> = if self.is_lost_too_often(delivered) {
            let message = Self::lost(delivered).message;
            Err(ProposerError::new(ProposerErrorKind::Failed, message))
        } else {
            match &self.serving.proposer {
                Some(proposer) => AssertUnwindSafe(proposer.propose(request))
                    .catch_unwind()
                    .await
                    .unwrap_or_else(|_| {
                        let message = "the proposer panicked";
                        Err(ProposerError::new(ProposerErrorKind::Failed, message))
                    }),
                None => Err(ProposerError::new(
                    ProposerErrorKind::Failed,
                    "the worker has no proposer; start it with the config of the run",
                )),
            }
        };
        self.store(&asker, key, proposed.into(), sequence).await;
    }

    fn is_lost_too_often(&self, delivered: i64) -> bool {
        delivered > i64::from(self.serving.settings.most_deliveries)
    }

    fn lost(delivered: i64) -> Failure {
        let message = format!(
            "worker_lost: {} workers were lost while they executed this; look for a rollout that kills its process, \
             such as one that needs too much memory",
            delivered - 1
        );
        Failure::new(FailureKind::Permanent, message)
    }

    fn answer(&self, asker: &Asker, key: String, body: Body) -> Answer {
        Answer {
            session: asker.session.clone(),
            key,
            worker: self.serving.id.clone(),
            body,
        }
    }

    async fn store(&self, asker: &Asker, key: String, body: Body, sequence: u64) {
        let subject = names::answer(&asker.run, &key);
        let answer = self.answer(asker, key, body);
        store(Arc::clone(&self.serving), subject, answer, sequence).await;
    }
}

/// Stores an answer, however long the queue is away. The server drops a second answer to the same
/// delivery of work.
async fn store(serving: Arc<Serving>, subject: String, answer: Answer, sequence: u64) {
    let id = format!("{}-{sequence}", answer.key);
    let content = match wire::write(&answer) {
        Ok(content) => content,
        Err(error) => return tracing::error!("an answer cannot be written: {error}"),
    };
    let mut content = content;
    loop {
        let queue = &serving.queue;
        let storing = async {
            let name = format!("{id}-{}", serving.id);
            let packed = queue.pack(&name, content.clone()).await?;
            queue
                .store(subject.clone(), &id, packed.headers, packed.payload)
                .await
        };
        match timeout(Duration::from_mins(1), storing).await {
            Ok(Ok(_)) => return,
            Ok(Err(error @ QueueError::TooLarge { .. })) => {
                let message = error.to_string();
                let failed = Evaluation::free(Outcome::failed(FailureKind::Permanent, message));
                let small = Answer {
                    session: answer.session.clone(),
                    key: answer.key.clone(),
                    worker: answer.worker.clone(),
                    body: Body::Rollout(failed.into()),
                };
                content = wire::write(&small).unwrap_or_default();
            }
            Ok(Err(error)) => tracing::debug!("answer: {error}"),
            Err(_) => tracing::debug!("answer: the queue takes longer than a minute"),
        }
        sleep(TRY_AGAIN_AFTER).await;
    }
}
