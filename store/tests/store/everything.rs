//! Reads everything a store says about a run, for comparison.

use std::sync::Arc;

use gepa_engine::record::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};
use gepa_engine::{Event, RunId, Seq, Store, StoreError};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Everything {
    pub(crate) run: RunRow,
    pub(crate) events: Vec<Event>,
    pub(crate) candidates: Vec<CandidateRow>,
    pub(crate) trials: Vec<TrialRow>,
    pub(crate) rollouts: Vec<RolloutRow>,
    pub(crate) reflections: Vec<ReflectionRow>,
    pub(crate) snapshots: Vec<SnapshotRow>,
}

pub(crate) async fn everything(store: &dyn Store, run: &RunId) -> Everything {
    let (start, all) = (Seq(0), usize::MAX);
    Everything {
        run: store.run(run).await.unwrap(),
        events: store.events(run, start, all).await.unwrap(),
        candidates: store.candidates(run).await.unwrap(),
        trials: store.trials(run).await.unwrap(),
        rollouts: store.rollouts(run, start, all).await.unwrap(),
        reflections: store.reflections(run).await.unwrap(),
        snapshots: store.snapshots(run).await.unwrap(),
    }
}

/// Claims a run for one append.
pub(crate) async fn append(
    store: &dyn Store,
    run: &RunId,
    after: Seq,
    events: Arc<[Event]>,
) -> Result<(), StoreError> {
    let claim = store.claim(run).await?;
    store.append(claim.token(), after, events).await
}
