//! The engine's side of a queue: work that was handed over, and who waits for its answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::answers::Reader;
use crate::connection::Placed;
use crate::presence::{Heard, Presence, SAID_EVERY};
use crate::wire::{Answer, Body, Request};
use crate::{Offer, Queue, QueueError, names, telemetry, wire};

const TRY_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// Workers that are there have said so by then.
const ANSWERING: Duration = Duration::from_millis(500);
/// Answers to earlier processes of a run that are kept until the run wants them.
const MOST_KEPT: usize = 100_000;

/// Settings of an engine's side of a queue.
#[derive(Clone, Copy, Debug)]
pub struct DeskSettings {
    /// How long work may wait while no fitting worker is there, or no queue, before the run pauses.
    pub longest_outage: Duration,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            longest_outage: Duration::from_mins(10),
        }
    }
}

/// Hands over work and waits for answers. One for each run; the evaluator and the proposer of the run
/// can share it.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) queue: Arc<Queue>,
    offer: Offer,
    token: String,
    /// Names this process among those that work on a run one after the other.
    session: String,
    settings: DeskSettings,
    workers: Heard,
    waiting: Mutex<Waiting>,
    /// The runs whose answers are read.
    read: tokio::sync::Mutex<Vec<String>>,
    withdrawals: mpsc::UnboundedSender<Withdrawn>,
    messages: AtomicU64,
    opened: Instant,
    tasks: Mutex<Vec<AbortHandle>>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_key: HashMap<String, Waiter>,
    /// Answers to earlier processes of the run.
    kept: HashMap<String, Body>,
    /// Since when there is work and no worker for it.
    without_worker: Option<Instant>,
    trouble: Option<String>,
    stay: Arc<Stay>,
}

#[derive(Debug)]
struct Waiter {
    answers: mpsc::UnboundedSender<(String, Body)>,
}

/// Has no permits: closing it ends the waits that hold on to it.
#[derive(Debug)]
struct Stay(Semaphore);

impl Default for Stay {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

/// Work that is no longer wanted.
#[derive(Debug)]
struct Withdrawn {
    subject: String,
    sequence: Option<u64>,
}

/// Why work has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// No worker can do it, and it is not waited for any longer.
    NoWorker(String),
    /// It cannot be handed over.
    Impossible(String),
}

/// Work that waits for answers. Withdraws it when it is dropped before they are there.
struct Asked<'d> {
    shared: &'d Shared,
    open: BTreeMap<String, usize>,
    placed: Option<Withdrawn>,
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
        shared.until_read(run, &stay).await?;
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
}

impl Drop for Desk {
    fn drop(&mut self) {
        for task in self.shared.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting.lock();
        for key in self.open.keys() {
            waiting.by_key.remove(key);
        }
        drop(waiting);
        if let (false, Some(placed)) = (self.open.is_empty(), self.placed.take()) {
            // The receiver is gone when the desk closes; the answer is then unused.
            let _ = self.shared.withdrawals.send(placed);
        }
    }
}

impl Shared {
    /// Ends a task together with the desk.
    pub(crate) fn own(&self, task: AbortHandle) {
        self.tasks.lock().push(task);
    }

    /// Gives an answer to who waits for it. The first one counts.
    pub(crate) fn take_in(&self, answer: Answer) {
        let Answer {
            session, key, body, ..
        } = answer;
        let mut waiting = self.waiting.lock();
        match waiting.by_key.remove(&key) {
            Some(waiter) => {
                let _ = waiter.answers.send((key, body));
            }
            None if session != self.session && body.is_final() => {
                if waiting.kept.len() < MOST_KEPT {
                    waiting.kept.insert(key, body);
                }
            }
            None => telemetry::late(),
        }
    }

    /// Begins to wait for these keys, and gives the answers that are there.
    fn wait_for<'d>(
        &'d self,
        keys: &[String],
        answers: &mpsc::UnboundedSender<(String, Body)>,
        give: &mut impl FnMut(usize, Body),
    ) -> Asked<'d> {
        let mut found = Vec::new();
        let mut open = BTreeMap::new();
        let mut waiting = self.waiting.lock();
        for (place, key) in keys.iter().enumerate() {
            if let Some(body) = waiting.kept.remove(key) {
                found.push((place, body));
                continue;
            }
            let answers = answers.clone();
            waiting.by_key.insert(key.clone(), Waiter { answers });
            open.insert(key.clone(), place);
        }
        drop(waiting);
        for (place, body) in found {
            give(place, body);
        }
        Asked {
            shared: self,
            open,
            placed: None,
        }
    }

    /// Waits until the answers to a run are read.
    async fn until_read(self: &Arc<Self>, run: &str, stay: &Stay) -> Result<(), Unanswered> {
        loop {
            let mut read = self.read.lock().await;
            if read.iter().any(|known| known == run) {
                return Ok(());
            }
            match Reader::start(self, run).await {
                Ok(()) => {
                    read.push(run.to_owned());
                    self.waiting.lock().trouble = None;
                    return Ok(());
                }
                Err(error) => self.waiting.lock().trouble = Some(error.to_string()),
            }
            drop(read);
            self.pause(stay).await?;
        }
    }

    /// Stores work, however long the queue is away.
    async fn place(
        &self,
        subject: String,
        request: &Request,
        stay: &Stay,
    ) -> Result<Placed, Unanswered> {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{number}", self.session);
        let content =
            wire::write(request).map_err(|error| Unanswered::Impossible(error.to_string()))?;
        loop {
            let placing = async {
                let packed = self.queue.pack(&id, content.clone()).await?;
                let (headers, payload) = (packed.headers, packed.payload);
                self.queue
                    .store(subject.clone(), &id, headers, payload)
                    .await
            };
            match placing.await {
                Ok(placed) => {
                    self.waiting.lock().trouble = None;
                    return Ok(placed);
                }
                Err(error @ QueueError::TooLarge { .. }) => {
                    return Err(Unanswered::Impossible(error.to_string()));
                }
                Err(error) => self.waiting.lock().trouble = Some(error.to_string()),
            }
            self.pause(stay).await?;
        }
    }

    async fn pause(&self, stay: &Stay) -> Result<(), Unanswered> {
        tokio::select! {
            () = sleep(TRY_AGAIN_AFTER) => Ok(()),
            reason = self.hopeless(stay) => Err(Unanswered::NoWorker(reason)),
        }
    }

    /// Waits until there is no sense in waiting: the caller leaves while no worker does the work, or that
    /// has lasted too long.
    async fn hopeless(&self, stay: &Stay) -> String {
        loop {
            // Without permits it answers only when it is closed.
            let left = tokio::time::timeout(SAID_EVERY, stay.0.acquire())
                .await
                .is_ok();
            let Some(obstacle) = self.obstacle() else {
                if left {
                    sleep(SAID_EVERY).await;
                }
                continue;
            };
            let since = self.waiting.lock().without_worker;
            let lasted = since.map_or(Duration::ZERO, |since| since.elapsed());
            if left {
                return format!("the run left while it waited for {obstacle}");
            }
            if lasted >= self.settings.longest_outage {
                let seconds = lasted.as_secs();
                return format!("the run has waited {seconds} s for {obstacle}; resume it then");
            }
        }
    }

    fn obstacle(&self) -> Option<String> {
        let mut waiting = self.waiting.lock();
        let obstacle = self.obstacle_now(&waiting);
        match (&obstacle, waiting.without_worker) {
            (Some(_), None) => waiting.without_worker = Some(Instant::now()),
            (None, Some(_)) => waiting.without_worker = None,
            _ => {}
        }
        obstacle
    }

    fn obstacle_now(&self, waiting: &Waiting) -> Option<String> {
        let url = self.queue.url();
        if let Some(lost) = self.queue.lost_for() {
            let seconds = lost.as_secs();
            return Some(format!(
                "the queue at {url}, which has not answered for {seconds} s"
            ));
        }
        if let Some(trouble) = &waiting.trouble {
            return Some(format!("the queue at {url} ({trouble})"));
        }
        if waiting.by_key.is_empty() {
            return None;
        }
        let (fitting, others) = self.workers.sorted(&self.offer);
        if fitting > 0 || self.opened.elapsed() < ANSWERING {
            return None;
        }
        let offer = &self.offer;
        let others = match others.first() {
            Some(first) => format!(
                ". {} of that name cannot be used; what differs: {first}",
                others.len()
            ),
            None => String::new(),
        };
        Some(format!(
            "a worker that offers {offer}; start one with `gepa worker --evaluator CONFIG --queue {url}`{others}"
        ))
    }

    fn presence(&self) -> Presence {
        Presence {
            id: self.session.clone(),
            offer: self.offer.clone(),
            count: self.waiting.lock().by_key.len(),
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
    loop {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let subject = names::wanted(&shared.offer.name);
        shared.queue.say(subject, &shared.presence()).await;
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

/// A name that no other process has.
pub fn new_id() -> String {
    let mut bytes = [0_u8; 8];
    // Without a source of random numbers the time still tells processes apart.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        bytes = (now.unwrap_or_default().as_nanos() as u64).to_le_bytes();
    }
    format!("{:016x}", u64::from_le_bytes(bytes))
}
