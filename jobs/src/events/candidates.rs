//! The candidates of a run, as of the events folded so far.

use std::collections::BTreeSet;

use gepa_archive::CandidateIndex;
use gepa_engine::RunId;
use gepa_engine::record::{CandidateRow, CandidateStatus, CandidateTable, Change};
use gepa_evaluation::{PromptTemplate, Section};
use serde_json::{Value, json};

use super::pace::is_shown;

/// Every candidate tried, and which of them get events of their own.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    table: CandidateTable,
    /// The iterations whose candidates get events of their own.
    shown: BTreeSet<u64>,
}

impl Candidates {
    /// Applies the change if it concerns a candidate.
    pub(super) fn change(&mut self, change: Change) {
        if let Change::Candidate(row) = &change {
            // The seed is no proposal.
            let is_shown = row.iteration == 0 || is_shown(self.table.rows().len() as u64);
            if is_shown {
                self.shown.insert(row.iteration);
            }
        }
        // A change that fits no row is none that a client could get.
        let _ = self.table.change(change);
    }

    /// An iteration's candidate, if it gets events of its own.
    pub(super) fn shown(&self, iteration: u64) -> Option<&CandidateRow> {
        let row = self.table.of_iteration(iteration);
        row.filter(|_| self.shown.contains(&iteration))
    }

    /// The parts of the seed's prompt.
    pub(super) fn seed_sections(&self, template: &PromptTemplate) -> Vec<Section> {
        let seed = self.table.of_iteration(0);
        seed.map_or_else(Vec::new, |seed| template.sections(&seed.components))
    }

    pub(super) fn member(&self, index: CandidateIndex) -> Option<&CandidateRow> {
        self.table.member(index)
    }

    /// All of them, by iteration.
    pub(super) fn all(&self) -> impl Iterator<Item = &CandidateRow> {
        self.table.by_iteration()
    }

    /// The members of the archive, best first.
    pub(super) fn ranked(&self) -> Vec<&CandidateRow> {
        let mut members: Vec<&CandidateRow> = self
            .all()
            .filter(|row| row.status == CandidateStatus::Accepted)
            .collect();
        let score = |row: &CandidateRow| row.mean_score.unwrap_or(f64::NEG_INFINITY);
        members.sort_by(|left, right| score(right).total_cmp(&score(left)));
        members
    }
}

/// A prompt in the form that job clients read: its parts under both names that clients know, and
/// the list of texts that differ from the seed.
pub(super) fn object(sections: &[Section], seed: &[Section]) -> Value {
    let replaced = replacements(sections, seed);
    json!({
        "type": "template",
        "data": {
            "sections": sections,
            "prompt_sections": sections,
            "text_replacements": replaced,
        },
        "text_replacements": replaced,
    })
}

/// The parts whose text differs from the seed's.
pub(super) fn replacements(sections: &[Section], seed: &[Section]) -> Vec<Value> {
    let pairs = sections.iter().zip(seed);
    let changed = pairs.filter(|(part, before)| part.content != before.content);
    changed
        .map(|(part, before)| {
            json!({
                "old_text": before.content,
                "new_text": part.content,
                "apply_to_role": part.role,
                "position": part.order,
            })
        })
        .collect()
}

/// A prompt as one text: for each part a line `[role | name]` and the content.
pub(super) fn full_text(sections: &[Section]) -> String {
    let blocks: Vec<String> = sections
        .iter()
        .map(|part| format!("[{} | {}]\n{}", part.role, part.name, part.content))
        .collect();
    blocks.join("\n\n")
}

/// The number of characters of a prompt.
pub(super) fn length(sections: &[Section]) -> usize {
    let lengths = sections.iter().map(|part| part.content.chars().count());
    lengths.sum()
}

/// A candidate as a prompt with a name.
pub(super) fn prompt(job: &RunId, template: &PromptTemplate, row: &CandidateRow) -> Value {
    let sections = template.sections(&row.components);
    json!({
        "id": row.candidate_id,
        "name": format!("{job} iteration {}", row.iteration),
        "sections": sections,
        "prompt_sections": sections,
        "metadata": {"iteration": row.iteration, "index": row.index, "parents": row.parents},
    })
}
