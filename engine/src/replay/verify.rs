//! Checks that the same facts lead to the same decisions.

use std::sync::Arc;

use crate::config::Config;
use crate::core::Core;
use crate::event::Event;
use crate::ids::RunId;
use crate::pages::EventPages;
use crate::policy::Policies;
use crate::random::source_of;
use crate::run::{Replay, RunError};
use crate::store::Store;

/// The figures of a verification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The number of facts read from the journal.
    pub facts: u64,
    /// The number of decisions made again, each equal to the recorded one.
    pub decisions: u64,
    /// The number of decisions that follow from the facts but are not in the journal. A run that
    /// was cut off can have some.
    pub pending: u64,
    /// Whether the run reused known outcomes instead of evaluating again.
    pub reuse: bool,
}

/// Decides a run again and compares the decisions. The configuration must be the one the run was
/// started with.
///
/// # Errors
///
/// [`RunError::Diverged`] names the first decision that differs.
pub async fn verify(store: &dyn Store, run: &RunId, config: &Config) -> Result<Verified, RunError> {
    let events = read_all(store, run).await?;
    follow(&events, config)
}

/// Whether outcomes were reused depends on the evaluator, which is not available here. The journal
/// fits one of the two cases.
pub(super) fn follow(events: &[Event], config: &Config) -> Result<Verified, RunError> {
    match config.settings().search.reuse_outcomes {
        Some(reuse) => follow_with(events, config, reuse),
        None => follow_with(events, config, true)
            .or_else(|first| follow_with(events, config, false).map_err(|_| first)),
    }
}

pub(crate) fn follow_with(
    events: &[Event],
    config: &Config,
    reuse: bool,
) -> Result<Verified, RunError> {
    let random = source_of(config.settings());
    let core = Core::new(Arc::new(config.clone()), reuse, random, Policies::new());
    let mut replay = Replay::new(core);
    for event in events {
        replay.take_in(event)?;
    }
    let (_, pending) = replay.finish();
    let facts = events.iter().filter(|event| event.body.is_fact()).count() as u64;
    Ok(Verified {
        facts,
        decisions: events.len() as u64 - facts,
        pending: pending.len() as u64,
        reuse,
    })
}

pub(crate) async fn read_all(store: &dyn Store, run: &RunId) -> Result<Vec<Event>, RunError> {
    let mut events = Vec::new();
    let mut pages = EventPages::of(store, run);
    while let Some(page) = pages.next().await? {
        events.extend(page);
    }
    Ok(events)
}
