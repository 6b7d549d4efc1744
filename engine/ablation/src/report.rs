//! What an ablation found.

use std::collections::BTreeSet;

use gepa_engine::record::RunRow;
use gepa_engine::{Candidate, ContentId, RunId};
use gepa_statistics::Estimate;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::decision::{Finding, Rule};
use crate::parts::Part;
use crate::race::Found;
use crate::sets::Sets;

/// What an ablation found.
#[derive(Clone, Debug, Serialize)]
pub struct AblationReport {
    /// The run whose prompt it is about.
    pub run_id: RunId,
    /// The candidate.
    pub candidate_id: ContentId,
    /// The loss of mean score below which a part is not needed.
    pub margin: f64,
    /// One minus the risk of a wrong claim about one part.
    pub confidence: f64,
    /// Examples of the race.
    pub race_examples: usize,
    /// Examples of the check as a whole.
    pub check_examples: usize,
    /// Whether the check has examples of its own.
    pub check_is_held_out: bool,
    /// About how many tokens the prompt has.
    pub tokens: u64,
    /// Rollouts executed.
    pub executed: u64,
    /// The parts, in order.
    pub parts: Vec<PartReport>,
    /// Whether the removable parts could be removed together; `None` if there were none.
    pub tried_together: Option<bool>,
    /// The shorter prompt, if one was found.
    pub shorter: Option<Shorter>,
}

/// What was found about one part.
#[derive(Clone, Debug, Serialize)]
pub struct PartReport {
    /// Its component.
    pub component: String,
    /// Its text.
    pub text: String,
    /// About how many tokens it has.
    pub tokens: u64,
    /// What it does.
    pub finding: Finding,
    /// The mean score without it minus the one with it.
    pub difference: Option<Estimate>,
    /// Examples run.
    pub examples: usize,
}

/// The prompt without the parts that it can do without.
#[derive(Clone, Debug, Serialize)]
pub struct Shorter {
    /// Its texts by component.
    pub components: Map<String, Value>,
    /// The parts that are gone, by their place.
    pub removed: BTreeSet<usize>,
    /// About how many tokens it has.
    pub tokens: u64,
    /// The mean score of the shorter prompt minus that of the full one.
    pub difference: Option<Estimate>,
    /// Examples of the check.
    pub examples: usize,
    /// Whether it is proposed: its check was made, and it is not shown to be worse.
    pub is_proposed: bool,
    /// Whether the check shows that it loses less than the margin.
    pub is_within_margin: bool,
}

impl AblationReport {
    pub(crate) fn new(
        run: &RunRow,
        candidate: &ContentId,
        rule: Rule,
        sets: &Sets,
        full: &Candidate,
        parts: &[Part],
    ) -> Self {
        let parts = parts.iter().map(|part| PartReport {
            component: part.component.clone(),
            text: part.text.clone(),
            tokens: tokens(&part.text),
            finding: if part.is_fixed {
                Finding::Fixed
            } else {
                Finding::Undecided
            },
            difference: None,
            examples: 0,
        });
        Self {
            run_id: run.run_id.clone(),
            candidate_id: *candidate,
            margin: rule.margin,
            confidence: rule.confidence,
            race_examples: sets.race.len(),
            check_examples: sets.check.len(),
            check_is_held_out: sets.is_held_out,
            tokens: tokens_of(full),
            executed: 0,
            parts: parts.collect(),
            tried_together: None,
            shorter: None,
        }
    }
}

impl PartReport {
    pub(crate) fn set(&mut self, found: &Found) {
        self.finding = found.finding;
        self.difference = found.difference;
        self.examples = found.examples;
    }
}

impl Shorter {
    pub(crate) fn new(
        full: &Candidate,
        shorter: &Candidate,
        removed: &BTreeSet<usize>,
        check: Option<&Found>,
        rule: &Rule,
    ) -> Self {
        debug_assert!(full.components().keys().eq(shorter.components().keys()));
        let components = shorter.components().iter();
        let components = components.map(|(name, text)| (name.to_string(), Value::from(&**text)));
        let difference = check.and_then(|found| found.difference);
        let is_proposed = check.is_some_and(|found| {
            found.finding != Finding::Earns
                && found.difference.is_some_and(|one| one.mean >= -rule.margin)
        });
        Self {
            components: components.collect(),
            removed: removed.clone(),
            tokens: tokens_of(shorter),
            difference,
            examples: check.map_or(0, |found| found.examples),
            is_proposed,
            is_within_margin: difference.is_some_and(|one| one.low > -rule.margin),
        }
    }
}

/// About how many tokens a text has.
fn tokens(text: &str) -> u64 {
    text.chars().count().div_ceil(4) as u64
}

fn tokens_of(candidate: &Candidate) -> u64 {
    candidate
        .components()
        .values()
        .map(|text| tokens(text))
        .sum()
}
