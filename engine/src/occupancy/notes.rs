//! The notes about limits on model calls that a run's journal holds.

use crate::event::{Event, EventBody, Fact, NotedLimit};
use crate::ids::{Seq, Timestamp};
use crate::record::RunRow;
use crate::store::{Store, StoreError};

/// The notes of one run, oldest first. Each leads to the one before it, so only they are read.
#[derive(Clone, Debug, Default)]
pub struct LimitNotes {
    notes: Vec<(Seq, Timestamp, Vec<NotedLimit>)>,
}

impl LimitNotes {
    /// Reads the notes that were journaled since.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn catch_up(&mut self, store: &dyn Store, run: &RunRow) -> Result<(), StoreError> {
        let known = self.notes.last().map(|(seq, ..)| *seq);
        let mut newer = Vec::new();
        let mut next = run.summary.limits_seq;
        while let Some(seq) = next.filter(|seq| Some(*seq) > known) {
            let Some(Event {
                at,
                body: EventBody::Fact(Fact::CallLimitsNoted(noted)),
                ..
            }) = store.event(&run.run_id, seq).await?
            else {
                break;
            };
            next = noted.before.filter(|before| *before < seq);
            newer.push((seq, at, noted.limits));
        }
        self.notes.extend(newer.into_iter().rev());
        Ok(())
    }

    /// When each note was made, and what it says.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, &[NotedLimit])> {
        self.notes
            .iter()
            .map(|(_, at, limits)| (*at, limits.as_slice()))
    }
}

impl FromIterator<(Timestamp, Vec<NotedLimit>)> for LimitNotes {
    fn from_iter<I: IntoIterator<Item = (Timestamp, Vec<NotedLimit>)>>(notes: I) -> Self {
        let notes = (1..).map(Seq).zip(notes);
        Self {
            notes: notes.map(|(seq, (at, limits))| (seq, at, limits)).collect(),
        }
    }
}
