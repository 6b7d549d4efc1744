//! Copies runs from one store to another.

use gepa_engine::record::RunRow;
use gepa_engine::{EventPages, RolloutPages, RunId, Seq, Store, StoreError};
use serde::Serialize;

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Events of the journal.
    pub events: u64,
    /// How many of them this call appended; the others were there already.
    pub appended: u64,
    /// Whether the rows of the target equal those of the source. They can differ if the source was
    /// written by an earlier version; the journals are equal in either case.
    pub same_rows: bool,
}

/// Why a run was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A process is working on the run in the source.
    #[error("a process is working on run `{0}`; wait until it ends, or stop it, then copy again")]
    InUse(RunId),
    /// The target has a run of this id that is not the beginning of this one.
    #[error(
        "the target has another run `{0}`: its journal is not the beginning of the source's; copy \
         into an empty store, or leave this run out"
    )]
    Another(RunId),
    /// The copy is not what was read.
    #[error(
        "the journal of run `{0}` is not the same in both stores after the copy: {1} in the source, \
         {2} in the target; check both with `gepa doctor`"
    )]
    Differs(RunId, String, String),
}

/// Copies one run with its whole journal and compares both journals and all rows afterwards. If the
/// target has the beginning of the run, from a copy that was interrupted, the rest is added.
pub async fn copy_run(from: &dyn Store, to: &dyn Store, run: &RunId) -> Result<Copied, CopyError> {
    if from.is_claimed(run).await? {
        return Err(CopyError::InUse(run.clone()));
    }
    let row = from.run(run).await?;
    let begun = begin(from, to, &row).await?;
    let claim = to.claim(run).await?;
    let mut last = begun;
    let mut pages = EventPages::after(from, run, begun);
    while let Some(page) = pages.next().await? {
        to.append(claim.token(), last, page.into()).await?;
        last = pages.last();
    }
    drop(claim);
    if let Some(labels) = from.labels().await?.get(run) {
        to.set_labels(run, &labels.as_change(&row.name)).await?;
    }
    let read = journal(from, run, last).await?;
    let written = journal(to, run, Seq(u64::MAX)).await?;
    if read != written || from.run(run).await?.summary.seq != last {
        return Err(CopyError::Differs(run.clone(), read, written));
    }
    Ok(Copied {
        events: last.0,
        appended: last.0 - begun.0,
        same_rows: rows(from, run).await? == rows(to, run).await?,
    })
}

/// Creates the run in the target, or finds how much of it is there.
async fn begin(from: &dyn Store, to: &dyn Store, row: &RunRow) -> Result<Seq, CopyError> {
    let run = &row.run_id;
    let created = RunRow {
        summary: gepa_engine::record::RunSummary::default(),
        ..row.clone()
    };
    let there = match to.run(run).await {
        Ok(there) => there,
        Err(StoreError::UnknownRun(_)) => {
            to.create_run(created).await?;
            return Ok(Seq(0));
        }
        Err(error) => return Err(error.into()),
    };
    let end = there.summary.seq;
    let same_beginning = RunRow {
        summary: gepa_engine::record::RunSummary::default(),
        // A run can be renamed.
        name: created.name.clone(),
        ..there
    } == created;
    if same_beginning
        && end <= row.summary.seq
        && journal(from, run, end).await? == journal(to, run, end).await?
    {
        return Ok(end);
    }
    Err(CopyError::Another(run.clone()))
}

/// The digest of a journal up to an event: numbers, times and bodies as they are stored.
async fn journal(store: &dyn Store, run: &RunId, end: Seq) -> Result<String, StoreError> {
    let mut hasher = blake3::Hasher::new();
    let mut pages = EventPages::of(store, run);
    while pages.last() < end
        && let Some(page) = pages.next().await?
    {
        for event in page.iter().filter(|event| event.seq <= end) {
            feed(&mut hasher, event);
        }
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The digest of all rows that are derived from the journal.
async fn rows(store: &dyn Store, run: &RunId) -> Result<blake3::Hash, StoreError> {
    let mut hasher = blake3::Hasher::new();
    feed(&mut hasher, &store.run(run).await?);
    for row in store.candidates(run).await? {
        feed(&mut hasher, &row);
    }
    for row in store.trials(run).await? {
        feed(&mut hasher, &row);
    }
    for row in store.reflections(run).await? {
        feed(&mut hasher, &row);
    }
    for row in store.snapshots(run).await? {
        feed(&mut hasher, &row);
    }
    let mut pages = RolloutPages::of(store, run);
    while let Some(page) = pages.next().await? {
        for row in &page {
            feed(&mut hasher, row);
        }
    }
    Ok(hasher.finalize())
}

fn feed(hasher: &mut blake3::Hasher, value: &impl Serialize) {
    // Rows and events are plain data, which always has a JSON; a lack of it would differ from any.
    let text = serde_json::to_vec(value).unwrap_or_default();
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(&text);
}
