//! What every implementation does with a batch of events before and while it writes it.

use std::cell::RefCell;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, Change, Projector};
use gepa_engine::{Event, RunId, Seq, StoreError};

/// The tables of one run, open for a batch of changes.
pub(crate) trait Tables {
    /// The row of an accepted candidate.
    fn candidate(&self, index: CandidateIndex) -> Result<Option<CandidateRow>, StoreError>;

    /// Makes one change, or says why it fits no row.
    fn change(&mut self, change: Change) -> Result<(), ChangeError>;
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum ChangeError {
    /// It fits no row, or a row it would add exists.
    Misfit(String),
    /// The tables could not be written.
    Store(StoreError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Checks that a batch continues the journal that ends at `found`.
pub(crate) fn check_numbering(
    run: &RunId,
    after: Seq,
    found: Seq,
    events: &[Event],
) -> Result<(), StoreError> {
    if after != found {
        return Err(StoreError::Conflict {
            run: run.clone(),
            expected: after,
            found,
        });
    }
    for (expected, event) in (after.0 + 1..).zip(events) {
        if event.seq.0 != expected {
            return Err(StoreError::Misfit {
                run: run.clone(),
                seq: event.seq,
                detail: format!("its number should be {expected}"),
            });
        }
    }
    Ok(())
}

/// Makes the changes of an event, after those of all events before it.
pub(crate) fn project(
    run: &RunId,
    projector: &mut Projector,
    event: &Event,
    tables: &mut impl Tables,
) -> Result<(), StoreError> {
    let failed_lookup = RefCell::new(None);
    let changes = projector.apply(event, |index| {
        tables.candidate(index).unwrap_or_else(|error| {
            failed_lookup.replace(Some(error));
            None
        })
    });
    if let Some(error) = failed_lookup.into_inner() {
        return Err(error);
    }
    for change in changes {
        tables.change(change).map_err(|error| match error {
            ChangeError::Store(error) => error,
            ChangeError::Misfit(detail) => StoreError::Misfit {
                run: run.clone(),
                seq: event.seq,
                detail,
            },
        })?;
    }
    Ok(())
}
