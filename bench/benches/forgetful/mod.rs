//! A store that keeps only the length of the journal, so that the memory of the process is that of
//! the run. Events cannot be read back; a run does not read them before its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_engine::record::{CandidateRow, ReflectionRow, RolloutRow, RunRow, SnapshotRow, TrialRow};
use gepa_engine::{
    Claim, ClaimToken, Event, LabelChange, RunId, RunLabels, Seq, Store, StoreError,
};
use parking_lot::Mutex;

/// Keeps the row of one run.
#[derive(Debug, Default)]
pub(crate) struct Forgetful(Mutex<Option<RunRow>>);

#[async_trait]
impl Store for Forgetful {
    async fn create_run(&self, run: RunRow) -> Result<(), StoreError> {
        *self.0.lock() = Some(run);
        Ok(())
    }

    async fn claim(&self, run: &RunId) -> Result<Claim, StoreError> {
        let token = ClaimToken {
            run: run.clone(),
            number: 1,
        };
        Ok(Claim::new(token, ()).0)
    }

    async fn is_claimed(&self, _: &RunId) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn append(
        &self,
        token: &ClaimToken,
        _: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError> {
        match (self.0.lock().as_mut(), events.last()) {
            (Some(row), Some(last)) => {
                row.summary.seq = last.seq;
                Ok(())
            }
            (None, _) => Err(StoreError::UnknownRun(token.run.to_string())),
            (_, None) => Ok(()),
        }
    }

    async fn runs(&self) -> Result<Vec<RunRow>, StoreError> {
        Ok(self.0.lock().iter().cloned().collect())
    }

    async fn run(&self, run: &RunId) -> Result<RunRow, StoreError> {
        let row = self.0.lock().clone();
        row.ok_or_else(|| StoreError::UnknownRun(run.to_string()))
    }

    async fn events(&self, _: &RunId, _: Seq, _: usize) -> Result<Vec<Event>, StoreError> {
        Ok(Vec::new())
    }

    async fn candidates(&self, _: &RunId) -> Result<Vec<CandidateRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn trials(&self, _: &RunId) -> Result<Vec<TrialRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn rollouts(&self, _: &RunId, _: Seq, _: usize) -> Result<Vec<RolloutRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn reflections(&self, _: &RunId) -> Result<Vec<ReflectionRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn snapshots(&self, _: &RunId) -> Result<Vec<SnapshotRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn labels(&self) -> Result<BTreeMap<RunId, RunLabels>, StoreError> {
        Ok(BTreeMap::new())
    }

    async fn set_labels(&self, _: &RunId, _: &LabelChange) -> Result<RunLabels, StoreError> {
        Err(StoreError::Storage("it keeps no labels".to_owned()))
    }

    async fn delete_run(&self, _: &ClaimToken) -> Result<u64, StoreError> {
        self.0.lock().take();
        Ok(0)
    }

    async fn run_bytes(&self, _: &RunId) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn compact(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }
}
