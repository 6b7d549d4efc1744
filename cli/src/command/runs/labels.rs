//! Tags, notes, names, and the archive.

use std::io::Write;
use std::process::ExitCode;

use gepa_engine::{LabelChange, Store, StoreError};

use super::selection::writable;
use crate::arguments::RunsAct;
use crate::error::CommandError;
use crate::output::{err, people};
use crate::surroundings::{existing_store, find_run};

pub(super) async fn label(act: &RunsAct) -> Result<ExitCode, CommandError> {
    let (store, runs, change) = match act {
        RunsAct::Note {
            run,
            text: None,
            store,
        } => {
            let store = existing_store(store).await?;
            return print_note(&*store, run).await;
        }
        RunsAct::Tag {
            run,
            tags,
            remove,
            store,
        } => {
            let change = LabelChange {
                add_tags: tags.iter().cloned().collect(),
                remove_tags: remove.iter().cloned().collect(),
                ..LabelChange::default()
            };
            (store, vec![run.clone()], change)
        }
        RunsAct::Note { run, text, store } => {
            let change = LabelChange {
                note: text.clone(),
                ..LabelChange::default()
            };
            (store, vec![run.clone()], change)
        }
        RunsAct::Rename { run, name, store } => {
            let change = LabelChange {
                name: Some(name.clone()),
                ..LabelChange::default()
            };
            (store, vec![run.clone()], change)
        }
        RunsAct::Archive { runs, undo, store } => {
            let change = LabelChange {
                archived: Some(!undo),
                ..LabelChange::default()
            };
            (store, runs.clone(), change)
        }
        RunsAct::Delete { .. } | RunsAct::Prune { .. } | RunsAct::Compact { .. } => {
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (store, _) = writable(store).await?;
    let mut found = Vec::new();
    for run in &runs {
        found.push(find_run(&*store, run).await?.run_id);
    }
    let mut out = people();
    for run in found {
        let changed = store.set_labels(&run, &change).await;
        let labels = changed.map_err(|error| match error {
            StoreError::Label(error) => CommandError::Usage(error.to_string()),
            other => other.into(),
        })?;
        let name = store.run(&run).await?.name;
        let tags: Vec<&str> = labels.tags.iter().map(String::as_str).collect();
        let tags = if tags.is_empty() {
            "no tags".to_owned()
        } else {
            format!("tags {}", tags.join(", "))
        };
        let note = if labels.note.is_empty() {
            "no note"
        } else {
            "a note"
        };
        let archived = labels.archived_at.map_or("", |_| ", archived");
        writeln!(out, "{run}  {name}: {tags}, {note}{archived}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn print_note(store: &dyn Store, run: &str) -> Result<ExitCode, CommandError> {
    let run = find_run(store, run).await?.run_id;
    let labels = store.labels().await?.remove(&run).unwrap_or_default();
    if labels.note.is_empty() {
        let _ = writeln!(err(), "run {run} has no note");
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = people();
    writeln!(out, "{}", labels.note)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
