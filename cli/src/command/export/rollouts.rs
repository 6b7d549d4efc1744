//! The export of rollouts: their rows, and what each was given and gave.

use std::io::Write;

use gepa_configs::TaskConfig;
use gepa_engine::record::export::{names, values};
use gepa_engine::record::{ROLLOUT_EXPORT, RunRow};
use gepa_engine::{Event, EventBody, Fact, RolloutPages, Seq, Store};
use gepa_evaluation::{Outcome, Scored};
use serde_json::json;

use crate::error::CommandError;
use crate::export::RowWriter;
use crate::output::err;
use crate::surroundings::{self, environment};

/// Events read from the store in one go.
const PAGE: usize = 1_000;

/// The columns besides those of the row.
const FURTHER: [&str; 4] = ["inputs", "expected", "output", "feedback"];

pub(super) fn columns() -> Vec<String> {
    let own = names(ROLLOUT_EXPORT).into_iter();
    own.chain(FURTHER).map(str::to_owned).collect()
}

pub(super) async fn write<W: Write>(
    store: &dyn Store,
    run: &RunRow,
    writer: &mut RowWriter<W>,
) -> Result<(), CommandError> {
    let task = stored_task(run);
    let mut outcomes = Outcomes::new(store, run);
    let mut pages = RolloutPages::of(store, &run.run_id);
    while let Some(page) = pages.next().await? {
        for row in &page {
            let outcome = outcomes.of(row.seq).await?;
            let example = task.as_ref().and_then(|task| task.row_of(&row.example));
            let (inputs, expected) = example.unzip();
            let mut cells = values(ROLLOUT_EXPORT, &(), row);
            cells.extend([
                json!(inputs),
                json!(expected.flatten()),
                json!(outcome.as_ref().and_then(|scored| scored.output.clone())),
                json!(outcome.and_then(|scored| scored.feedback)),
            ]);
            writer.write(cells)?;
        }
    }
    Ok(())
}

/// The run's task, for the inputs of its examples. Without its files the columns stay empty.
fn stored_task(run: &RunRow) -> Option<TaskConfig> {
    let environment = environment().ok()?;
    match surroundings::stored_task(run, &environment, &[]) {
        Ok(task) => Some(task),
        Err(error) => {
            let _ = writeln!(
                err(),
                "note: the columns `inputs` and `expected` are empty, since the run's data cannot be read: {error}"
            );
            None
        }
    }
}

/// The outcomes of a run, read along with its rollouts.
struct Outcomes<'s> {
    store: &'s dyn Store,
    run: &'s RunRow,
    page: std::vec::IntoIter<Event>,
    last: Seq,
}

impl<'s> Outcomes<'s> {
    fn new(store: &'s dyn Store, run: &'s RunRow) -> Self {
        Self {
            store,
            run,
            page: Vec::new().into_iter(),
            last: Seq(0),
        }
    }

    /// The score and what belongs to it of the event `seq`; `None` for a failure. Events are requested in
    /// ascending order.
    async fn of(&mut self, seq: Seq) -> Result<Option<Scored>, CommandError> {
        loop {
            for event in self.page.by_ref() {
                self.last = event.seq;
                if event.seq < seq {
                    continue;
                }
                return Ok(scored_in(event));
            }
            // Events between the rollouts of a large run are skipped.
            let after = self.last.max(Seq(seq.0.saturating_sub(1)));
            let events = self.store.events(&self.run.run_id, after, PAGE).await?;
            if events.is_empty() {
                return Ok(None);
            }
            self.page = events.into_iter();
        }
    }
}

fn scored_in(event: Event) -> Option<Scored> {
    let EventBody::Fact(Fact::RolloutSettled(settled)) = event.body else {
        return None;
    };
    match &*settled.outcome {
        Outcome::Scored(scored) => Some(scored.clone()),
        Outcome::Failed(_) => None,
    }
}
