//! The outside's hold on a run under way.

use std::sync::Arc;

use gepa_archive::Candidate;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::error::RunError;
use super::result::RunResult;
use crate::event::Event;
use crate::ids::RunId;

/// What the outside can ask of a run.
#[derive(Debug)]
pub(super) enum Command {
    Pause,
    Resume,
    Stop,
    Cancel,
    Interrupt(String),
    Abort(String),
    Inject(Box<Candidate>),
}

/// A run under way. Dropping the handle leaves the run going.
#[derive(Debug)]
pub struct RunHandle {
    pub(super) run_id: RunId,
    pub(super) control: RunControl,
    pub(super) events: broadcast::Sender<Arc<[Event]>>,
    pub(super) task: JoinHandle<Result<RunResult, RunError>>,
}

/// Steers a run; can be cloned and kept elsewhere. Asking a run that is over does nothing.
#[derive(Clone, Debug)]
pub struct RunControl {
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

impl RunHandle {
    /// The run.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// A handle for steering.
    pub fn control(&self) -> RunControl {
        self.control.clone()
    }

    /// Batches of stored events from now on. A receiver that falls behind loses the oldest ones and
    /// is told so; the store has them all.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    /// Waits for the end.
    pub async fn finish(self) -> Result<RunResult, RunError> {
        self.task.await.map_err(|_| RunError::TaskLost)?
    }
}

impl RunControl {
    /// Starts no further call until [`resume`](Self::resume); those in flight are finished. Recorded
    /// in the journal: a process that takes the run up again finds it paused.
    pub fn pause(&self) {
        self.send(Command::Pause);
    }

    /// Goes on after a pause.
    pub fn resume(&self) {
        self.send(Command::Resume);
    }

    /// Ends the search early: calls in flight are finished, then the final validation runs.
    pub fn stop(&self) {
        self.send(Command::Stop);
    }

    /// Drops calls in flight and ends the run for good, without a final scoring.
    pub fn cancel(&self) {
        self.send(Command::Cancel);
    }

    /// Finishes calls in flight and ends the process's work; the run can be resumed.
    pub fn interrupt(&self, reason: impl Into<String>) {
        self.send(Command::Interrupt(reason.into()));
    }

    /// Drops calls in flight and ends the process's work; the run can be resumed.
    pub fn abort(&self, reason: impl Into<String>) {
        self.send(Command::Abort(reason.into()));
    }

    /// Has a candidate scored on the pareto set and put into the archive. It must have the
    /// components of the seed; other candidates are ignored.
    pub fn inject(&self, candidate: Candidate) {
        self.send(Command::Inject(Box::new(candidate)));
    }

    fn send(&self, command: Command) {
        // A run that is over has nobody to receive commands, and none to act on.
        let _ = self.commands.send(command);
    }
}
