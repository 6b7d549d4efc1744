//! The reader of a run's answers.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{self};
use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};

use crate::large::content_name;
use crate::waiting::Shared;
use crate::{QueueError, wire};

/// An answer stays in the stream for this long after it was taken, so that a resumed engine finds it if
/// this one dies before the journal has it. Also longer than it takes to notice that a worker is lost,
/// so that the next worker finds the answers it left.
const STAYS: Duration = Duration::from_secs(30);
/// How long the answers to an earlier process are waited for.
const CATCHING_UP: Duration = Duration::from_secs(10);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Takes answers from the stream and hands them to who waits.
pub(crate) struct Reader {
    desk: Weak<Shared>,
    run: String,
    taken: VecDeque<(Instant, Acker, Option<String>)>,
}

impl Reader {
    /// Reads what earlier processes left, then goes on in a task of its own.
    pub(crate) async fn start(desk: &std::sync::Arc<Shared>, run: &str) -> Result<(), QueueError> {
        let mut reader = Self {
            desk: std::sync::Arc::downgrade(desk),
            run: run.to_owned(),
            taken: VecDeque::new(),
        };
        let consumer = desk.queue.answer_consumer(run).await?;
        let left = consumer.cached_info().num_pending;
        let mut messages = messages(&consumer).await?;
        let caught_up = timeout(CATCHING_UP, async {
            for _ in 0..left {
                match messages.next().await {
                    Some(Ok(message)) => reader.take_in(message).await,
                    Some(Err(error)) => return Err(QueueError::Passing(error.to_string())),
                    None => break,
                }
            }
            Ok(())
        });
        // Late ones come in as others do.
        caught_up.await.unwrap_or(Ok(()))?;
        let task = tokio::spawn(reader.go_on(consumer, messages));
        desk.own(task.abort_handle());
        Ok(())
    }

    async fn go_on(mut self, mut consumer: Consumer<pull::Config>, mut messages: pull::Stream) {
        let mut tidying = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(message)) => self.take_in(message).await,
                    Some(Err(error)) => {
                        tracing::debug!("answers: {error}");
                        if !self.begin_again(&mut consumer, &mut messages).await {
                            return;
                        }
                    }
                    None => {
                        if !self.begin_again(&mut consumer, &mut messages).await {
                            return;
                        }
                    }
                },
                _ = tidying.tick() => self.let_go().await,
            }
        }
    }

    /// Gets the messages again after the connection or the server was lost.
    async fn begin_again(
        &mut self,
        consumer: &mut Consumer<pull::Config>,
        messages: &mut pull::Stream,
    ) -> bool {
        loop {
            sleep(TRY_AGAIN_AFTER).await;
            let Some(desk) = self.desk.upgrade() else {
                return false;
            };
            // What this process took before is given again, and dropped as late.
            let Ok(again) = desk.queue.answer_consumer(&self.run).await else {
                continue;
            };
            let Ok(more) = self::messages(&again).await else {
                continue;
            };
            self.taken.clear();
            *consumer = again;
            *messages = more;
            return true;
        }
    }

    async fn take_in(&mut self, message: jetstream::Message) {
        let Some(desk) = self.desk.upgrade() else {
            return;
        };
        let (message, acker) = message.split();
        let content = content_name(&message);
        let read = desk.queue.unpack(&message).await;
        match read.and_then(|bytes| wire::read(&bytes)) {
            Ok(answer) => desk.take_in(answer),
            Err(error) => tracing::warn!("an answer is dropped: {error}"),
        }
        self.taken.push_back((Instant::now(), acker, content));
    }

    /// Deletes the answers that have stayed long enough.
    async fn let_go(&mut self) {
        while self
            .taken
            .front()
            .is_some_and(|(at, ..)| at.elapsed() >= STAYS)
        {
            let Some((_, acker, content)) = self.taken.pop_front() else {
                return;
            };
            let _ = acker.ack().await;
            if let (Some(desk), Some(_)) = (self.desk.upgrade(), &content) {
                desk.queue.discard(content).await;
            }
        }
    }
}

async fn messages(consumer: &Consumer<pull::Config>) -> Result<pull::Stream, QueueError> {
    let stream = consumer
        .stream()
        .max_messages_per_batch(1_000)
        .expires(Duration::from_secs(10))
        .heartbeat(Duration::from_secs(2));
    let messages = stream.messages().await;
    messages.map_err(|error| QueueError::Passing(error.to_string()))
}
