//! One run in memory: its journal and the rows derived from it.

use std::sync::Arc;

use gepa_engine::record::{Projector, RunRow};
use gepa_engine::{Event, Seq, StoreError};

use super::rows::Rows;
use crate::projection::{check_numbering, project};

/// One run.
pub(super) struct RunTables {
    created: RunRow,
    projector: Projector,
    /// As they were appended; none is empty.
    batches: Vec<Arc<[Event]>>,
    rows: Rows,
}

impl RunTables {
    pub(super) fn new(created: RunRow) -> Self {
        Self {
            projector: projector_of(&created),
            created,
            batches: Vec::new(),
            rows: Rows::default(),
        }
    }

    pub(super) fn append(&mut self, after: Seq, events: Arc<[Event]>) -> Result<(), StoreError> {
        let found = self.projector.summary().seq;
        check_numbering(&self.created.run_id, after, found, &events)?;
        if events.is_empty() {
            return Ok(());
        }
        let projected = self.take_in(&events);
        if projected.is_err() {
            self.start_over()?;
        } else {
            self.batches.push(events);
        }
        projected
    }

    /// The run as it stands.
    pub(super) fn run(&self) -> RunRow {
        RunRow {
            summary: self.projector.summary().clone(),
            ..self.created.clone()
        }
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The batches that hold up to `limit` events after `after`, and a few events more.
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

    fn take_in(&mut self, events: &[Event]) -> Result<(), StoreError> {
        for event in events {
            let run = &self.created.run_id;
            project(run, &mut self.projector, event, &mut self.rows)?;
        }
        Ok(())
    }

    /// Undoes a batch that failed midway: what the journal says is all there is.
    fn start_over(&mut self) -> Result<(), StoreError> {
        self.projector = projector_of(&self.created);
        self.rows = Rows::default();
        for batch in self.batches.clone() {
            self.take_in(&batch)?;
        }
        Ok(())
    }
}

fn projector_of(run: &RunRow) -> Projector {
    Projector::new(
        run.run_id.clone(),
        run.template.clone(),
        run.summary.clone(),
    )
}
