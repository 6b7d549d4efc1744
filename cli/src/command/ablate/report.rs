//! What an ablation found, for people and programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use gepa_engine::record::RunRow;
use gepa_engine::{Candidate, ContentId, RunId};
use gepa_statistics::Estimate;
use serde::Serialize;
use serde_json::{Map, Value};

use super::decision::{Finding, Rule};
use super::parts::Part;
use super::race::Found;
use super::sets::Sets;
use crate::arguments::AblateArguments;
use crate::command::gate::put;
use crate::error::CommandError;
use crate::format::{count, difference, one_line};
use crate::output::{people, stdout};

/// Characters of a part that are printed.
const QUOTED: usize = 72;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    run_id: RunId,
    candidate_id: ContentId,
    margin: f64,
    confidence: f64,
    race_examples: usize,
    check_examples: usize,
    check_is_held_out: bool,
    tokens: u64,
    pub(super) executed: u64,
    pub(super) parts: Vec<PartReport>,
    /// Whether the removable parts could be removed together; `None` if there were none.
    pub(super) tried_together: Option<bool>,
    pub(super) shorter: Option<Shorter>,
}

#[derive(Debug, Serialize)]
pub(super) struct PartReport {
    component: String,
    text: String,
    tokens: u64,
    finding: Finding,
    /// The mean score without it minus the one with it.
    difference: Option<Estimate>,
    examples: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Shorter {
    components: Map<String, Value>,
    /// The parts that are gone, by their place.
    removed: BTreeSet<usize>,
    tokens: u64,
    /// The mean score of the shorter prompt minus that of the full one.
    difference: Option<Estimate>,
    examples: usize,
    /// Whether it is proposed: its check was made, and it is not shown to be worse.
    is_proposed: bool,
    /// Whether the check shows that it loses less than the margin.
    is_within_margin: bool,
}

impl Report {
    pub(super) fn new(
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

    /// Writes the findings to stderr and files, and the shorter prompt to stdout.
    pub(super) fn write(&self, arguments: &AblateArguments) -> Result<(), CommandError> {
        let mut err = crate::screen::Screen(std::io::stderr());
        let _ = err.write_all(self.text().as_bytes());
        let is_json_on_stdout = arguments
            .json
            .as_deref()
            .is_some_and(|path| path == std::path::Path::new("-"));
        if let Some(path) = &arguments.json {
            put(path, &(serde_json::to_string_pretty(self)? + "\n"))?;
        }
        let Some(shorter) = self.shorter.as_ref().filter(|one| one.is_proposed) else {
            return Ok(());
        };
        if let Some(path) = &arguments.output {
            put(
                path,
                &(serde_json::to_string_pretty(&shorter.components)? + "\n"),
            )?;
        }
        if is_json_on_stdout {
            return Ok(stdout().flush()?);
        }
        let mut out = people();
        for (name, text) in &shorter.components {
            if shorter.components.len() > 1 {
                writeln!(out, "[{name}]")?;
            }
            writeln!(out, "{}", text.as_str().unwrap_or_default())?;
        }
        Ok(out.flush()?)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}: {} parts, about {} tokens; {} rollouts executed\n",
            self.run_id,
            self.parts.len(),
            count(self.tokens),
            count(self.executed)
        );
        let _ = writeln!(
            text,
            "{:>4} {:>6}  {:<10}  without it",
            "part", "tokens", "finding"
        );
        for (number, part) in (1..).zip(&self.parts) {
            let shown = match part.difference {
                Some(found) => difference(found),
                None if part.finding == Finding::Fixed => "holds a wildcard".to_owned(),
                None => "not run: the budget was used up".to_owned(),
            };
            let _ = writeln!(
                text,
                "{number:>4} {:>6}  {:<10}  {shown}\n{:>25}{}",
                part.tokens,
                part.finding.as_str(),
                "",
                one_line(&part.text, QUOTED)
            );
        }
        text.push_str(&self.conclusion());
        text
    }

    fn conclusion(&self) -> String {
        let Some(shorter) = &self.shorter else {
            return match self.tried_together {
                None => "no shorter prompt: every part earns its tokens or is undecided\n".to_owned(),
                Some(_) => "no shorter prompt: what each part does, others do as well, and the budget or the \
                            examples did not suffice to find out which\n"
                    .to_owned(),
            };
        };
        let mut text = format!(
            "shorter prompt: {} of {} parts go, {} of {} tokens stay\n",
            shorter.removed.len(),
            self.parts.len(),
            count(shorter.tokens),
            count(self.tokens)
        );
        let set = if self.check_is_held_out {
            "held-out"
        } else {
            "pareto"
        };
        let _ = match shorter.difference {
            Some(found) => writeln!(
                text,
                "on {} {set} examples: {}",
                shorter.examples,
                difference(found)
            ),
            None => writeln!(
                text,
                "it was not checked as a whole: the budget was used up"
            ),
        };
        text.push_str(match (shorter.is_proposed, shorter.is_within_margin) {
            (false, _) => "it is not proposed\n",
            (true, true) => "proposed: it loses less than the margin\n",
            (true, false) => {
                "proposed: it is not shown to be worse, but these examples cannot show that it loses less than the margin\n"
            }
        });
        text
    }
}

impl PartReport {
    pub(super) fn set(&mut self, found: &Found) {
        self.finding = found.finding;
        self.difference = found.difference;
        self.examples = found.examples;
    }
}

impl Shorter {
    pub(super) fn new(
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
