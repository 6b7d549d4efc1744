//! One run in memory: its journal and the tables made from it.

use std::sync::Arc;

use gepa_engine::record::{RunRow, Tables};
use gepa_engine::{
    ClaimNotice, ClaimToken, Event, LabelChange, RunLabels, Seq, StoreError, Timestamp,
};

use crate::numbering::{check_numbering, misfit};

/// The owner that is reported when a run is claimed again.
const NEW_OWNER: &str = "another task of this process";

/// One run.
pub(super) struct RunJournal {
    tables: Tables,
    labels: RunLabels,
    /// The batches as they were appended; none is empty.
    batches: Vec<Arc<[Event]>>,
    /// The number of the newest claim; 0 before the first.
    claims: u64,
    /// Notifies the holder of the newest claim, while it is held.
    holder: Option<ClaimNotice>,
}

impl RunJournal {
    pub(super) fn new(created: RunRow) -> Self {
        Self {
            tables: Tables::new(created),
            labels: RunLabels::default(),
            batches: Vec::new(),
            claims: 0,
            holder: None,
        }
    }

    pub(super) fn is_claimed(&self) -> bool {
        self.holder.is_some()
    }

    /// The token of the next claim.
    pub(super) fn next_token(&mut self) -> ClaimToken {
        self.claims += 1;
        ClaimToken {
            run: self.tables.run_id().clone(),
            number: self.claims,
        }
    }

    pub(super) fn hold(&mut self, notice: ClaimNotice) {
        self.holder = Some(notice);
    }

    /// Ends a claim, unless it was lost before.
    pub(super) fn release(&mut self, token: &ClaimToken) {
        if token.number == self.claims {
            self.holder = None;
        }
    }

    /// Ends the claim in force and notifies its holder.
    pub(super) fn revoke(&mut self) {
        self.claims += 1;
        if let Some(holder) = self.holder.take() {
            holder.tell(NEW_OWNER);
        }
    }

    /// Fails for a token that is not that of the newest claim.
    pub(super) fn check_claim(&self, token: &ClaimToken) -> Result<(), StoreError> {
        if token.number == self.claims {
            return Ok(());
        }
        Err(StoreError::ClaimLost {
            run: token.run.clone(),
            owner: NEW_OWNER.to_owned(),
        })
    }

    pub(super) fn labels(&self) -> &RunLabels {
        &self.labels
    }

    pub(super) fn label(&mut self, change: &LabelChange) -> Result<RunLabels, StoreError> {
        let mut row = self.tables.run();
        change.apply(&mut row, &mut self.labels, Timestamp::now())?;
        self.tables.rename(&row.name);
        Ok(self.labels.clone())
    }

    /// The length of the journal as JSON, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let events = self.batches.iter().flat_map(|batch| batch.iter());
        let lengths = events.map(|event| serde_json::to_string(event).map_or(0, |text| text.len()));
        lengths.sum::<usize>() as u64
    }

    pub(super) fn append(
        &mut self,
        token: &ClaimToken,
        after: Seq,
        events: Arc<[Event]>,
    ) -> Result<(), StoreError> {
        let run = self.tables.run_id().clone();
        self.check_claim(token)?;
        check_numbering(&run, after, self.tables.summary().seq, &events)?;
        if events.is_empty() {
            return Ok(());
        }
        for event in events.iter() {
            if let Err(detail) = self.tables.take_in(event) {
                self.undo();
                return Err(misfit(&run, event, detail));
            }
        }
        self.batches.push(events);
        Ok(())
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The batches that hold up to `limit` events after `after`. They may hold a few events more.
    pub(super) fn batches(&self, after: Seq, limit: usize) -> Vec<Arc<[Event]>> {
        let first = self
            .batches
            .partition_point(|batch| batch.last().is_none_or(|event| event.seq <= after));
        let last_wanted = Seq(after.0.saturating_add(limit as u64));
        let wanted = self.batches[first..]
            .iter()
            .take_while(|batch| batch.first().is_some_and(|event| event.seq <= last_wanted));
        wanted.cloned().collect()
    }

    /// Builds the tables again without the batch that failed.
    fn undo(&mut self) {
        self.tables = self.tables.emptied();
        for event in self.batches.iter().flat_map(|batch| batch.iter()) {
            // Every stored event fitted when it was appended.
            let _ = self.tables.take_in(event);
        }
    }
}
