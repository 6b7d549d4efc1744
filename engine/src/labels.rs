//! What people write beside runs: tags, a note, and whether a run is archived. None of it is in a
//! journal, and nothing that a run does depends on it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::{RunId, Timestamp};
use crate::record::RunRow;

/// The most tags of a run.
const MOST_TAGS: usize = 50;
/// The most characters of a tag.
const MOST_TAG_CHARS: usize = 64;
/// The most characters of a name.
const MOST_NAME_CHARS: usize = 200;
/// The most characters of a note.
const MOST_NOTE_CHARS: usize = 10_000;

/// What people wrote beside a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLabels {
    /// Words by which runs are found, sorted.
    pub tags: BTreeSet<String>,
    /// A text for people.
    pub note: String,
    /// When the run was archived; lists leave it out since then. `None` for a run that is not.
    pub archived_at: Option<Timestamp>,
}

/// A change of what people wrote beside a run. What is `None` or empty stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelChange {
    /// The new name of the run. Its configuration keeps the old one.
    pub name: Option<String>,
    /// Tags to add.
    pub add_tags: BTreeSet<String>,
    /// Tags to take away; a tag that the run does not have is no error.
    pub remove_tags: BTreeSet<String>,
    /// The new note; empty to take it away.
    pub note: Option<String>,
    /// Whether the run is archived from now on.
    pub archived: Option<bool>,
}

/// Why labels cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadLabel(String);

impl LabelChange {
    /// Makes the change in a run's row and labels.
    ///
    /// # Errors
    ///
    /// A text is too long or has characters that a list could not show. Nothing is changed then.
    pub fn apply(
        &self,
        run: &mut RunRow,
        labels: &mut RunLabels,
        now: Timestamp,
    ) -> Result<(), BadLabel> {
        self.check()?;
        let mut tags = labels.tags.clone();
        tags.retain(|tag| !self.remove_tags.contains(tag));
        tags.extend(self.add_tags.iter().cloned());
        if tags.len() > MOST_TAGS {
            return Err(bad(format!("a run can have {MOST_TAGS} tags")));
        }
        labels.tags = tags;
        if let Some(name) = &self.name {
            run.name.clone_from(name);
        }
        if let Some(note) = &self.note {
            labels.note.clone_from(note);
        }
        labels.archived_at = match self.archived {
            Some(true) => labels.archived_at.or(Some(now)),
            Some(false) => None,
            None => labels.archived_at,
        };
        Ok(())
    }

    fn check(&self) -> Result<(), BadLabel> {
        if let Some(name) = &self.name
            && (name.trim().is_empty()
                || name.chars().count() > MOST_NAME_CHARS
                || name.chars().any(char::is_control))
        {
            return Err(bad(format!(
                "a name has 1 to {MOST_NAME_CHARS} characters on one line"
            )));
        }
        if let Some(note) = &self.note
            && note.chars().count() > MOST_NOTE_CHARS
        {
            return Err(bad(format!(
                "a note has {MOST_NOTE_CHARS} characters at most"
            )));
        }
        let is_usable = |tag: &&String| {
            (1..=MOST_TAG_CHARS).contains(&tag.chars().count())
                && !tag
                    .chars()
                    .any(|one| one.is_whitespace() || one.is_control() || one == ',')
        };
        match self.add_tags.iter().find(|tag| !is_usable(tag)) {
            None => Ok(()),
            Some(tag) => Err(bad(format!(
                "{tag:?} cannot be a tag; a tag has 1 to {MOST_TAG_CHARS} characters without spaces and commas"
            ))),
        }
    }
}

impl RunLabels {
    /// The change that gives a run without labels these labels and this name.
    pub fn as_change(&self, name: &str) -> LabelChange {
        LabelChange {
            name: Some(name.to_owned()),
            add_tags: self.tags.clone(),
            remove_tags: BTreeSet::new(),
            note: Some(self.note.clone()),
            archived: Some(self.archived_at.is_some()),
        }
    }
}

/// The runs that branch from this one, in the order of `runs`.
pub fn branches_of(run: &RunId, runs: &[RunRow]) -> Vec<RunId> {
    let is_branch = |other: &&RunRow| {
        let origin = other.summary.origin.as_ref();
        origin.is_some_and(|origin| origin.run == *run)
    };
    let branches = runs.iter().filter(is_branch);
    branches.map(|other| other.run_id.clone()).collect()
}

fn bad(message: String) -> BadLabel {
    BadLabel(message)
}
