//! The engine's side of a queue: work that was handed over, and who waits for its answers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::StreamExt;
use gepa_evaluation::CallLimit;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::answers::Reader;
use crate::connection::Placed;
use crate::names::new_id;
use crate::presence::{Heard, SAID_EVERY};
use crate::settings::DeskSettings;
use crate::waiting::{Shared, Stay, Unanswered, Withdrawn};
use crate::wire::{Body, Request};
use crate::{Offer, Queue, QueueError, names, wire};

/// Hands over work and waits for answers. One for each run; the evaluator and the proposer of the run
/// can share it.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
}

impl Desk {
    /// The desk of a run that wants what `offer` says.
    pub async fn open(
        queue: Arc<Queue>,
        offer: Offer,
        settings: DeskSettings,
    ) -> Result<Self, QueueError> {
        let (withdrawals, withdrawn) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            token: offer.token(),
            session: new_id(),
            offer,
            settings,
            workers: Heard::default(),
            waiting: Mutex::default(),
            read: tokio::sync::Mutex::default(),
            withdrawals,
            messages: AtomicU64::new(0),
            opened: Instant::now(),
            tasks: Mutex::default(),
            queue,
        });
        let subject = names::offered(&shared.offer.name);
        let offered = shared.queue.client.subscribe(subject).await;
        let offered = offered.map_err(|error| QueueError::Passing(error.to_string()))?;
        for task in [
            tokio::spawn(listen(Arc::downgrade(&shared), offered)).abort_handle(),
            tokio::spawn(say(Arc::downgrade(&shared))).abort_handle(),
            tokio::spawn(withdraw(
                Arc::clone(&shared.queue),
                shared.token.clone(),
                withdrawn,
            ))
            .abort_handle(),
        ] {
            shared.own(task);
        }
        Ok(Self { shared })
    }

    /// The reason why work waits, for people; `None` if none has to.
    pub fn obstacle(&self) -> Option<String> {
        self.shared.obstacle()
    }

    /// The limits on the model calls of the workers that fit.
    pub(crate) fn call_limits(&self) -> Vec<CallLimit> {
        self.shared.call_limits()
    }

    /// What the run wants.
    pub fn offer(&self) -> &Offer {
        &self.shared.offer
    }

    /// Ends the waits of work that no worker can do at this moment.
    pub(crate) fn leave(&self) {
        let mut waiting = self.shared.waiting.lock();
        let before = std::mem::take(&mut waiting.stay);
        before.0.close();
    }

    /// Hands over the work with these keys, and gives each answer with its place. The request is made
    /// for the places that have no answer yet.
    ///
    /// # Errors
    /// It is not waited for any longer, or cannot be handed over. The text is for people.
    pub(crate) async fn ask(
        &self,
        run: &str,
        keys: Vec<String>,
        work: impl Fn(&[usize]) -> wire::Work,
        mut give: impl FnMut(usize, Body),
    ) -> Result<(), Unanswered> {
        let shared = &self.shared;
        let stay = Arc::clone(&shared.waiting.lock().stay);
        self.until_read(run, &stay).await?;
        let (sender, mut answers) = mpsc::unbounded_channel();
        let mut asked = shared.wait_for(&keys, &sender, &mut give);
        if asked.open.is_empty() {
            return Ok(());
        }
        let mut open: Vec<usize> = asked.open.values().copied().collect();
        open.sort_unstable();
        let open_keys: Vec<String> = open.iter().map(|place| keys[*place].clone()).collect();
        let subject = names::work(&shared.token, run, &names::joint_key(&open_keys));
        let request = Request {
            session: shared.session.clone(),
            work: work(&open),
        };
        asked.placed = Some(Withdrawn {
            subject: subject.clone(),
            sequence: None,
        });
        let placing = shared.place(subject, &request, &stay);
        match placing.await? {
            Placed::At(sequence) => {
                if let Some(placed) = &mut asked.placed {
                    placed.sequence = Some(sequence);
                }
            }
            // An earlier process of the run handed it over.
            Placed::BesideItself => {}
        }
        while !asked.open.is_empty() {
            tokio::select! {
                Some((key, body)) = answers.recv() => {
                    if let Some(place) = asked.open.remove(&key) {
                        give(place, body);
                    }
                }
                reason = shared.hopeless(&stay) => return Err(Unanswered::NoWorker(reason)),
            }
        }
        Ok(())
    }

    /// Waits until the answers to a run are read.
    async fn until_read(&self, run: &str, stay: &Stay) -> Result<(), Unanswered> {
        let shared = &self.shared;
        loop {
            let mut read = shared.read.lock().await;
            if read.iter().any(|known| known == run) {
                return Ok(());
            }
            match Reader::start(shared, run).await {
                Ok(()) => {
                    read.push(run.to_owned());
                    shared.waiting.lock().trouble = None;
                    return Ok(());
                }
                Err(error) => shared.waiting.lock().trouble = Some(error.to_string()),
            }
            drop(read);
            shared.pause(stay).await?;
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for task in self.shared.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

async fn listen(shared: std::sync::Weak<Shared>, mut offered: async_nats::Subscriber) {
    while let Some(message) = offered.next().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.workers.hear(&message.payload);
    }
}

async fn say(shared: std::sync::Weak<Shared>) {
    let mut again = Instant::now();
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if again <= Instant::now() {
            let subject = names::wanted(&shared.offer.name);
            let presence = shared.presence();
            shared.queue.say(subject, &presence).await;
            again = presence.again_at();
        }
        if shared.queue.lost_for().is_none() {
            shared.queue.depth(&shared.token).await;
        }
        // The time without a worker counts also where no caller asks for the obstacle.
        shared.obstacle();
        drop(shared);
        sleep(SAID_EVERY).await;
    }
}

/// Deletes work that is no longer wanted, and tells the worker that has it.
async fn withdraw(
    queue: Arc<Queue>,
    token: String,
    mut withdrawn: mpsc::UnboundedReceiver<Withdrawn>,
) {
    while let Some(Withdrawn { subject, sequence }) = withdrawn.recv().await {
        if let Some(sequence) = sequence {
            let _ = queue.work.delete_message(sequence).await;
        }
        let told = queue
            .client
            .publish(names::withdrawn(&token), subject.into());
        let _ = told.await;
    }
}
