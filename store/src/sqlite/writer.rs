//! The thread that writes. All tasks that wait when a transaction ends share the next one.

use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use gepa_engine::StoreError;
use tokio::sync::oneshot;

use super::connection::open_writer;
use super::place::Place;
use super::transaction::{Task, Transactions, Written};

/// The largest number of tasks that share a transaction.
const MAX_GROUP: usize = 64;

/// The thread, and the channel to it.
pub(super) struct Writer {
    place: Place,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    task: Task,
    done: oneshot::Sender<Result<Written, StoreError>>,
}

impl Writer {
    /// Opens the database, creates it if there is none, and starts the thread.
    pub(super) fn start(place: Place) -> Result<Self, StoreError> {
        let transactions = Transactions::new(open_writer(&place)?, place.clone());
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("gepa-store".to_owned())
            .spawn(move || serve(transactions, &queue))
            .map_err(|error| StoreError::Storage(format!("{place}: no thread: {error}")))?;
        Ok(Self {
            place,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Sends a task to the thread. It is durable when this returns.
    pub(super) async fn write(&self, task: Task) -> Result<Written, StoreError> {
        let (done, outcome) = oneshot::channel();
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send(Job { task, done }).is_ok());
        if !sent {
            return Err(self.ended());
        }
        outcome.await.map_err(|_| self.ended())?
    }

    fn ended(&self) -> StoreError {
        StoreError::Storage(format!(
            "{}: its writer has ended; open the store again",
            self.place
        ))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Writer({})", self.place)
    }
}

impl Drop for Writer {
    /// Lets the thread finish its tasks and close the database.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to close.
            let _ = thread.join();
        }
    }
}

fn serve(mut transactions: Transactions, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let waiting = queue.try_iter().take(MAX_GROUP - 1);
        let (tasks, waiters): (Vec<_>, Vec<_>) = std::iter::once(first)
            .chain(waiting)
            .map(|job| (job.task, job.done))
            .unzip();
        let results = transactions.commit(&tasks);
        for (waiter, result) in waiters.into_iter().zip(results) {
            // A caller that stopped waiting does not need the result.
            let _ = waiter.send(result);
        }
    }
}
