//! The check that every store makes of a batch of events, and the errors for a batch that does not
//! fit.

use gepa_engine::record::{Misfit, Tables};
use gepa_engine::{Event, RunId, Seq, StoreError};

/// Checks that a batch continues the journal that ends at `found`.
pub fn check_numbering(
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
            let detail = format!("its number should be {expected}");
            return Err(misfit(run, event, Misfit(detail)));
        }
    }
    Ok(())
}

/// Changes tables as the next events of their run say.
pub(crate) fn take_in(tables: &mut Tables, events: &[Event]) -> Result<(), StoreError> {
    let (run, last) = (tables.run_id().clone(), tables.summary().seq);
    check_numbering(&run, last, last, events)?;
    for event in events {
        let taken = tables.take_in(event);
        taken.map_err(|detail| misfit(&run, event, detail))?;
    }
    Ok(())
}

/// The error for an event that fits no row.
pub fn misfit(run: &RunId, event: &Event, Misfit(detail): Misfit) -> StoreError {
    StoreError::Misfit {
        run: run.clone(),
        seq: event.seq,
        detail,
    }
}
