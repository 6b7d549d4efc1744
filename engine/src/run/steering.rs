//! Acts of people on a run that no process works on. Acts on a live run go to the process that owns
//! it, by [`RunControl::steer`](super::RunControl::steer).

use std::sync::Arc;

use tokio::sync::oneshot;

use super::error::RunError;
use super::replay::Replay;
use crate::config::Config;
use crate::core::{Core, Steering, SteeringRefused};
use crate::event::{Event, EventBody, Fact, SteeredBy};
use crate::ids::{RunId, Seq, Timestamp};
use crate::policy::Policies;
use crate::random::source_of;
use crate::replay::read_all;
use crate::store::Store;

/// Writes an act of a person into the journal of a run that no process works on. The process that
/// resumes the run takes it in. Returns the act's entry.
///
/// `config` must be the one the run was started with. A run that is over can be extended; it goes on
/// when it is resumed.
///
/// # Errors
///
/// [`RunError::Refused`] says why the act is not possible, and [`RunError::Store`] that a process
/// works on the run. Nothing is written then.
pub async fn steer_at_rest(
    store: &dyn Store,
    run: &RunId,
    config: &Config,
    steering: Steering,
    by: SteeredBy,
) -> Result<Seq, RunError> {
    let claim = store.claim(run).await?;
    let summary = store.run(run).await?.summary;
    let events = read_all(store, run).await?;
    if events.is_empty() {
        return Err(SteeringRefused::NotBegun.into());
    }
    let mut core = core_of(&events, config)?;
    let by = SteeredBy {
        at_rest: true,
        ..by
    };
    let fact = core.act(steering, by, summary.paused, summary.active_seconds)?;
    tracing::info!(%run, act = fact.kind(), "run steered");
    let seq = Seq(summary.seq.0 + 1);
    let event = Event {
        seq,
        at: Timestamp::now().max(summary.updated_at.unwrap_or_default()),
        body: fact.into(),
    };
    store
        .append(claim.token(), summary.seq, Arc::new([event]))
        .await?;
    Ok(seq)
}

/// Whether outcomes were reused depends on the evaluator, which is not at hand. The journal fits one
/// of the two cases.
fn core_of(events: &[Event], config: &Config) -> Result<Core, RunError> {
    let replayed = |reuse: bool| {
        let random = source_of(config.settings());
        let core = Core::new(Arc::new(config.clone()), reuse, random, Policies::new());
        let mut replay = Replay::new(core);
        for event in events {
            replay.take_in(event)?;
        }
        // What the last facts lead to is decided by the process that resumes the run.
        Ok(replay.finish().0)
    };
    match config.settings().search.reuse_outcomes {
        Some(reuse) => replayed(reuse),
        None => replayed(true).or_else(|first| replayed(false).map_err(|_| first)),
    }
}

/// A person's act that waits until its fact is stored.
#[derive(Debug)]
pub(super) struct Awaited {
    /// The kind of the fact; empty until it is known.
    pub(super) kind: &'static str,
    pub(super) by: SteeredBy,
    pub(super) answer: oneshot::Sender<Result<Seq, SteeringRefused>>,
}

impl Awaited {
    pub(super) fn new(
        by: SteeredBy,
        answer: oneshot::Sender<Result<Seq, SteeringRefused>>,
    ) -> Self {
        Self {
            kind: "",
            by,
            answer,
        }
    }

    /// Answers the acts whose facts are among the stored entries.
    pub(super) fn answer(waiting: &mut Vec<Self>, stored: &[Event]) {
        if waiting.is_empty() {
            return;
        }
        for event in stored {
            let EventBody::Fact(fact) = &event.body else {
                continue;
            };
            let Some(by) = fact.steered_by() else {
                continue;
            };
            if let Some(at) = waiting
                .iter()
                .position(|one| one.is_of(fact) && one.by == *by)
            {
                // The person may have gone.
                let _ = waiting.remove(at).answer.send(Ok(event.seq));
            }
        }
    }

    fn is_of(&self, fact: &Fact) -> bool {
        self.kind == fact.kind()
    }
}
