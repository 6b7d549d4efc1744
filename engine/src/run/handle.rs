//! The handle of a running run, for code outside it.

use std::sync::Arc;

use gepa_archive::Candidate;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::RunError;
use super::result::RunResult;
use super::steering::Awaited;
use super::trouble::TroubleWatch;
use crate::core::{Steering, SteeringRefused};
use crate::event::{Event, SteeredBy};
use crate::ids::{RunId, Seq};

/// The commands that a run accepts.
#[derive(Debug)]
pub(super) enum Command {
    Pause(SteeredBy),
    Resume(SteeredBy),
    Stop,
    Cancel,
    Interrupt(String),
    Abort(String),
    Inject(Box<Candidate>),
    Steer(Steering, Awaited),
}

/// The handle of a running run. The run goes on when the handle is dropped.
#[derive(Debug)]
pub struct RunHandle {
    pub(super) run_id: RunId,
    pub(super) control: RunControl,
    pub(super) events: broadcast::Sender<Arc<[Event]>>,
    pub(super) trouble: TroubleWatch,
    pub(super) task: JoinHandle<Result<RunResult, RunError>>,
}

/// Steers a run. It can be cloned and kept elsewhere. Commands to a run that is over do nothing.
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

    /// Subscribes to batches of stored events from now on. A receiver that falls behind loses the
    /// oldest batches and gets an error that says so; the store has all events.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[Event]>> {
        self.events.subscribe()
    }

    /// The attempts that failed and were tried again in this process, as they happen. The journal has them
    /// only when their rollout is settled.
    pub fn trouble(&self) -> TroubleWatch {
        self.trouble.clone()
    }

    /// Waits for the end.
    pub async fn finish(self) -> Result<RunResult, RunError> {
        self.task.await.map_err(|_| RunError::TaskLost)?
    }
}

impl RunControl {
    /// Starts no further call until [`resume`](Self::resume). Calls in flight are finished. The
    /// journal records the pause, so a process that resumes the run finds it paused.
    pub fn pause(&self) {
        self.pause_for(SteeredBy::default());
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.resume_for(SteeredBy::default());
    }

    /// [Pauses](Self::pause) on behalf of a person.
    pub fn pause_for(&self, by: SteeredBy) {
        self.send(Command::Pause(by));
    }

    /// [Resumes](Self::resume) on behalf of a person.
    pub fn resume_for(&self, by: SteeredBy) {
        self.send(Command::Resume(by));
    }

    /// Ends the search early: calls in flight are finished, then the final scoring runs.
    pub fn stop(&self) {
        self.send(Command::Stop);
    }

    /// Drops calls in flight and ends the run for good, without a final scoring.
    pub fn cancel(&self) {
        self.send(Command::Cancel);
    }

    /// Finishes calls in flight, then ends this process's work; the run can be resumed.
    pub fn interrupt(&self, reason: impl Into<String>) {
        self.send(Command::Interrupt(reason.into()));
    }

    /// Drops calls in flight and ends this process's work; the run can be resumed.
    pub fn abort(&self, reason: impl Into<String>) {
        self.send(Command::Abort(reason.into()));
    }

    /// Does what a person wants, and returns its entry in the journal once that is stored. A stop is
    /// stored when the calls in flight have ended.
    ///
    /// # Errors
    ///
    /// Why it is refused. Nothing is written then.
    pub async fn steer(&self, steering: Steering, by: SteeredBy) -> Result<Seq, SteeringRefused> {
        let (answer, answered) = oneshot::channel();
        let by = SteeredBy {
            at_rest: false,
            ..by
        };
        self.send(Command::Steer(steering, Awaited::new(by, answer)));
        answered.await.unwrap_or(Err(SteeringRefused::ProcessEnded))
    }

    /// Scores a candidate on the pareto set and puts it into the archive. It must have the
    /// components of the seed and no control characters; other candidates are ignored.
    pub fn inject(&self, candidate: Candidate) {
        self.send(Command::Inject(Box::new(candidate)));
    }

    fn send(&self, command: Command) {
        // A run that is over no longer receives commands, so the error means nothing.
        let _ = self.commands.send(command);
    }
}
