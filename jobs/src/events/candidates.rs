//! The candidates of a run, as of the events folded so far.

use std::collections::BTreeMap;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, CandidateStatus, Change};
use gepa_engine::{RunId, ValidationResult};
use gepa_evaluation::{PromptTemplate, Section};
use serde_json::{Value, json};

use super::pace::is_shown;

/// Every candidate that was tried, by iteration.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    rows: BTreeMap<u64, Tried>,
    members: BTreeMap<CandidateIndex, u64>,
}

/// A candidate, and whether it gets events of its own.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) row: CandidateRow,
    pub(super) shown: bool,
}

impl Candidates {
    /// Applies the change if it concerns a candidate.
    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Candidate(row) => {
                // The seed is not a proposal, so it is always shown.
                let shown = row.iteration == 0 || is_shown(self.rows.len() as u64);
                self.rows.insert(row.iteration, Tried { row: *row, shown });
            }
            Change::Gate(iteration, gate) => {
                if let Some(tried) = self.rows.get_mut(&iteration) {
                    tried.row.gate = Some(gate);
                }
            }
            Change::Accepted(accepted, seq) => {
                self.members.insert(accepted.index, accepted.iteration);
                if let Some(Tried { row, .. }) = self.rows.get_mut(&accepted.iteration) {
                    row.status = CandidateStatus::Accepted;
                    row.index = Some(accepted.index);
                    row.mean_score = Some(accepted.mean_score);
                    row.scores = Some(accepted.scores);
                    row.objectives = accepted.objectives;
                    row.accepted_seq = Some(seq);
                }
            }
            Change::Evicted(index, seq) => {
                if let Some(row) = self.member_mut(index) {
                    row.status = CandidateStatus::Evicted;
                    row.evicted_seq = Some(seq);
                }
            }
            Change::Closed(iteration, reason) => {
                if let Some(Tried { row, .. }) = self.rows.get_mut(&iteration) {
                    row.status = CandidateStatus::Rejected;
                    row.close_reason = Some(reason);
                }
            }
            Change::Validated(ValidationResult {
                candidate,
                mean_score,
                scores,
                ..
            }) => {
                if let Some(row) = self.member_mut(candidate) {
                    row.validation_score = mean_score;
                    row.validation_scores = Some(scores);
                }
            }
            _ => {}
        }
    }

    pub(super) fn of_iteration(&self, iteration: u64) -> Option<&Tried> {
        self.rows.get(&iteration)
    }

    /// The parts of the seed's prompt.
    pub(super) fn seed_sections(&self, template: &PromptTemplate) -> Vec<Section> {
        let seed = self.of_iteration(0);
        seed.map_or_else(Vec::new, |seed| template.sections(&seed.row.components))
    }

    pub(super) fn member(&self, index: CandidateIndex) -> Option<&CandidateRow> {
        let iteration = self.members.get(&index)?;
        self.rows.get(iteration).map(|tried| &tried.row)
    }

    /// All of them, in the order proposed.
    pub(super) fn all(&self) -> impl Iterator<Item = &CandidateRow> {
        self.rows.values().map(|tried| &tried.row)
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

    fn member_mut(&mut self, index: CandidateIndex) -> Option<&mut CandidateRow> {
        let iteration = self.members.get(&index)?;
        self.rows.get_mut(iteration).map(|tried| &mut tried.row)
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
