//! A thread with a connection of its own that renews claims, releases them, and carries wake-ups
//! between processes. It is a thread because a claim must outlive pauses of its holder's runtime.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gepa_engine::{Claim, ClaimToken, RunId, StoreError, Timestamp};
use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::claims::{LEASE, holder, release_sql, release_values};
use crate::database::Database;
use crate::listener::{Listener, channel};
use crate::shared::Shared;
use crate::value::Parameter;

/// How often claims are renewed, all of them in one statement. Four renewals in a row must fail before a claim is lost.
const RENEWAL: Duration = Duration::from_secs(1);

/// The pause between messages to other processes about runs with new events, at least.
const WAKING: Duration = Duration::from_millis(50);

/// The longest text of one NOTIFY; the server takes up to 8000 bytes.
const LONGEST: usize = 7_000;

/// Wake-ups kept for a reader that is slow. One that missed some looks at its run.
const KEPT: usize = 1_024;

/// The thread.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Release(ClaimToken),
    /// Tell other processes that a topic has changed.
    Wake(Arc<str>),
    Close,
}

/// A claim in force.
struct Held {
    token: ClaimToken,
    keeper: Arc<Keeper>,
}

impl Keeper {
    pub(crate) fn start(database: Database) -> Result<Arc<Self>, StoreError> {
        let shared = Arc::new(Shared {
            held: Mutex::default(),
            releasing: watch::Sender::default(),
            woken: broadcast::Sender::new(KEPT),
            hello: format!("hello-{}-{}", std::process::id(), Timestamp::now().0).into(),
            hears: watch::Sender::new(false),
        });
        let (orders, queue) = mpsc::unbounded_channel();
        let failed = |error: &dyn std::fmt::Display| {
            StoreError::Storage(format!("no thread for the claims: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&error))?;
        let work = Work {
            listener: Listener::new(database.address.clone(), Arc::clone(&shared)),
            database,
            shared: Arc::clone(&shared),
            releases: Vec::new(),
            topics: BTreeSet::new(),
        };
        let thread = thread::Builder::new()
            .name("gepa-claims".to_owned())
            .spawn(move || runtime.block_on(work.go_on(queue)))
            .map_err(|error| failed(&error))?;
        Ok(Arc::new(Self {
            shared,
            orders,
            thread: Some(thread),
        }))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Creates a claim for `owner` that is renewed until it is dropped.
    pub(crate) fn hold(self: &Arc<Self>, token: ClaimToken, owner: &str) -> Claim {
        let held = Held {
            token: token.clone(),
            keeper: Arc::clone(self),
        };
        let (claim, notice) = Claim::new(token.clone(), held);
        let earlier = self
            .shared
            .held
            .lock()
            .insert(token.run, (token.number, notice));
        if let Some((_, earlier)) = earlier {
            earlier.tell(owner);
        }
        claim
    }

    /// Waits until claims on the run that were dropped are released.
    pub(crate) async fn settled(&self, run: &RunId) {
        let mut releasing = self.shared.releasing.subscribe();
        // The sender lives as long as this.
        let _ = releasing.wait_for(|runs| !runs.contains_key(run)).await;
    }

    /// Tells readers of this process and of others that a topic has changed.
    pub(crate) fn wake(&self, topic: &str) {
        let topic: Arc<str> = topic.into();
        // There may be no reader in this process.
        let _ = self.shared.woken.send(Arc::clone(&topic));
        let _ = self.orders.send(Order::Wake(topic));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let shared = &self.keeper.shared;
        let mut held = shared.held.lock();
        let is_newest = held
            .get(&self.token.run)
            .is_some_and(|(number, _)| *number == self.token.number);
        if is_newest {
            held.remove(&self.token.run);
        }
        drop(held);
        let run = self.token.run.clone();
        shared
            .releasing
            .send_modify(|runs| *runs.entry(run).or_default() += 1);
        if self
            .keeper
            .orders
            .send(Order::Release(self.token.clone()))
            .is_err()
        {
            shared.released(&self.token.run);
        }
    }
}

impl Drop for Keeper {
    /// Waits until the claims are released.
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Close);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to release.
            let _ = thread.join();
        }
    }
}

struct Work {
    database: Database,
    shared: Arc<Shared>,
    listener: Listener,
    releases: Vec<ClaimToken>,
    topics: BTreeSet<Arc<str>>,
}

impl Work {
    async fn go_on(mut self, mut queue: mpsc::UnboundedReceiver<Order>) {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut waking = interval(WAKING);
        waking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = queue.recv() => match order {
                    Some(Order::Release(token)) => {
                        self.releases.push(token);
                        self.release().await;
                    }
                    Some(Order::Wake(topic)) => {
                        self.topics.insert(topic);
                    }
                    Some(Order::Close) | None => {
                        self.tell_others().await;
                        self.release().await;
                        return;
                    }
                },
                _ = waking.tick(), if !self.topics.is_empty() => self.tell_others().await,
                _ = renewal.tick() => {
                    self.listener.connect().await;
                    if !*self.shared.hears.borrow() {
                        self.topics.insert(Arc::clone(&self.shared.hello));
                    }
                    self.renew().await;
                    self.release().await;
                }
            }
        }
    }

    /// Extends every claim held. A claim whose row another transaction has locked is being extended
    /// by its own append.
    async fn renew(&mut self) {
        let held: Vec<(RunId, u64)> = {
            let held = self.shared.held.lock();
            held.iter()
                .map(|(run, (number, _))| (run.clone(), *number))
                .collect()
        };
        if held.is_empty() {
            return;
        }
        let runs = held.iter().map(|(run, _)| Some(run.as_str().to_owned()));
        let tokens = held.iter().map(|(_, number)| Some(*number as i64));
        let sql = self.database.sql(&format!(
            "WITH mine AS (SELECT c.run_id FROM {{s}}.claims c \
             JOIN unnest($1::text[], $2::bigint[]) AS h (run_id, token) \
             ON c.run_id = h.run_id AND c.token = h.token FOR UPDATE OF c SKIP LOCKED), \
             renewed AS (UPDATE {{s}}.claims c SET until = clock_timestamp() + {LEASE} \
             FROM mine WHERE c.run_id = mine.run_id RETURNING 1) \
             SELECT c.run_id FROM {{s}}.claims c \
             JOIN unnest($1::text[], $2::bigint[]) AS h (run_id, token) \
             ON c.run_id = h.run_id AND c.token <> h.token"
        ));
        let values = [
            Parameter::Texts(runs.collect()),
            Parameter::Integers(tokens.collect()),
        ];
        let rows = match self.database.rows(&sql, &values).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "claims could not be renewed, trying again");
                return;
            }
        };
        for row in rows {
            let lost: String = row.try_get(0).unwrap_or_default();
            let Some((run, number)) = held.iter().find(|(run, _)| run.as_str() == lost) else {
                continue;
            };
            if let Ok((_, owner)) = holder(&self.database, run).await {
                let token = ClaimToken {
                    run: run.clone(),
                    number: *number,
                };
                self.shared.tell(&token, &owner);
            }
        }
    }

    /// Releases what was dropped. A release that fails is left to the expiry of its claim.
    async fn release(&mut self) {
        for token in std::mem::take(&mut self.releases) {
            let sql = release_sql(&self.database);
            let released = self.database.rows(&sql, &release_values(&token)).await;
            if let Err(error) = released {
                tracing::warn!(run = %token.run, %error, "a claim ends by its expiry");
            }
            self.shared.released(&token.run);
            self.topics.insert("claims".into());
        }
    }

    /// One NOTIFY for all topics that changed since the last one. It is not part of the appends,
    /// because a NOTIFY makes commits wait for each other.
    async fn tell_others(&mut self) {
        let mut texts: Vec<String> = vec![String::new()];
        for topic in std::mem::take(&mut self.topics) {
            if texts
                .last()
                .is_some_and(|text| text.len() + topic.len() > LONGEST)
            {
                texts.push(String::new());
            }
            if let Some(text) = texts.last_mut() {
                text.push_str(&topic);
                text.push(' ');
            }
        }
        for text in texts {
            let values = [
                Parameter::Text(channel(&self.database.address)),
                Parameter::Text(text),
            ];
            let told = self
                .database
                .rows("SELECT pg_notify($1, $2)", &values)
                .await;
            if let Err(error) = told {
                // Readers look by themselves after a while.
                tracing::debug!(%error, "readers elsewhere were not woken");
            }
        }
    }
}
