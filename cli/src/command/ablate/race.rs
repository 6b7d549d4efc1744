//! Prompts without some of their parts, run on the same examples in blocks that double, within a budget
//! of rollouts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use gepa_engine::{Candidate, ContentId, ExampleId, LabelChange, RunId, Seq, Store, StoreError};
use gepa_statistics::Estimate;

use super::decision::{Finding, Rule};
use crate::command::eval::{Named, Scoring};
use crate::error::CommandError;

/// Examples of the first block.
const FIRST_BLOCK: usize = 16;
/// The tag of the runs that hold the outcomes.
const TAG: &str = "ablation";
/// Rollouts read from the store in one go.
const PAGE: usize = 4_096;

/// What was found about a prompt without some parts.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) finding: Finding,
    pub(super) difference: Option<Estimate>,
    /// Examples run.
    pub(super) examples: usize,
}

/// What runs have, by prompt: the runs, and the examples that are scored.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<ContentId, (Vec<RunId>, BTreeSet<ExampleId>)>);

impl Known {
    /// Takes in the rollouts of a run.
    pub(super) async fn add(&mut self, store: &dyn Store, run: &RunId) -> Result<(), StoreError> {
        let mut last = Seq(0);
        loop {
            let page = store.rollouts(run, last, PAGE).await?;
            let Some(end) = page.last() else {
                return Ok(());
            };
            last = end.seq;
            for row in page.iter().filter(|row| row.score.is_some()) {
                let (runs, examples) = self.0.entry(row.candidate_id).or_default();
                if runs.last() != Some(run) {
                    runs.push(run.clone());
                }
                examples.insert(row.example.clone());
            }
        }
    }
}

/// Scores prompts and counts what that costs.
pub(super) struct Bench<'a> {
    pub(super) scoring: Scoring<'a>,
    pub(super) rule: Rule,
    pub(super) run: &'a RunId,
    /// What earlier runs bought.
    known: Known,
    /// Scores bought or known, by prompt and example.
    scores: BTreeMap<ContentId, BTreeMap<ExampleId, f64>>,
    asked: BTreeMap<ContentId, BTreeSet<ExampleId>>,
    pub(super) executed: u64,
    /// The most rollouts that may be executed.
    pub(super) budget: u64,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        scoring: Scoring<'a>,
        rule: Rule,
        run: &'a RunId,
        known: Known,
        budget: u64,
    ) -> Self {
        Self {
            scoring,
            rule,
            run,
            known,
            scores: BTreeMap::new(),
            asked: BTreeMap::new(),
            executed: 0,
            budget,
        }
    }

    /// The rollouts that a prompt needs on examples on which it has not been run here.
    pub(super) fn cost(&self, candidate: &Candidate, examples: &[ExampleId]) -> usize {
        let known = self.known.0.get(&candidate.content_id());
        let is_known = |example: &ExampleId| known.is_some_and(|(_, all)| all.contains(example));
        examples.iter().filter(|example| !is_known(example)).count()
    }

    /// Whether this number of further rollouts is within the budget, with `reserve` left.
    fn affords(&self, rollouts: usize, reserve: u64) -> bool {
        self.executed + rollouts as u64 + reserve <= self.budget
    }

    /// The rollouts that a prompt still needs on these examples.
    fn open_cost(&self, candidate: &Candidate, examples: &[ExampleId]) -> usize {
        let asked = self.asked.get(&candidate.content_id());
        let is_open = |example: &&ExampleId| asked.is_none_or(|asked| !asked.contains(*example));
        let open: Vec<ExampleId> = examples.iter().filter(is_open).cloned().collect();
        self.cost(candidate, &open)
    }

    /// Buys the scores of a prompt on those of the examples on which it was not run yet.
    async fn score(
        &mut self,
        label: &str,
        candidate: &Candidate,
        examples: &[ExampleId],
    ) -> Result<(), CommandError> {
        let id = candidate.content_id();
        let asked = self.asked.entry(id).or_default();
        let new: Vec<ExampleId> = examples
            .iter()
            .filter(|example| !asked.contains(example))
            .cloned()
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let known = self.known.0.entry(id).or_default().0.clone();
        let named = Named {
            label,
            name: format!("ablation of {}, {label}", self.run),
            candidate,
        };
        let scored = self.scoring.score(named, &new, &known).await?;
        self.executed += scored.executed;
        let labels = LabelChange {
            add_tags: BTreeSet::from([TAG.to_owned()]),
            archived: Some(true),
            ..LabelChange::default()
        };
        let store = self.scoring.store;
        store.set_labels(&scored.run, &labels).await?;
        let bought = self.scores.entry(id).or_default();
        for (example, score) in new.iter().zip(scored.scores) {
            bought.extend(score.map(|score| (example.clone(), score)));
        }
        self.asked.entry(id).or_default().extend(new);
        Ok(())
    }

    /// The scores `(with, without)` of both prompts on the examples that both have a score on.
    fn pairs(&self, full: &Candidate, other: &Candidate) -> BTreeMap<&ExampleId, (f64, f64)> {
        let of = |candidate: &Candidate| self.scores.get(&candidate.content_id());
        let (Some(full), Some(other)) = (of(full), of(other)) else {
            return BTreeMap::new();
        };
        full.iter()
            .filter_map(|(example, with)| Some((example, (*with, *other.get(example)?))))
            .collect()
    }

    fn pairs_on(
        &self,
        full: &Candidate,
        other: &Candidate,
        examples: &[ExampleId],
    ) -> Vec<(f64, f64)> {
        let pairs = self.pairs(full, other);
        let wanted = examples.iter().filter_map(|example| pairs.get(example));
        wanted.copied().collect()
    }

    /// Runs prompts against the full one, each until it is decided, the examples are used up, or the
    /// budget does not suffice for another block. `reserve` rollouts are left over. The first ones are
    /// decided first, so that a small budget decides some and not none.
    pub(super) async fn race(
        &mut self,
        full: &Candidate,
        others: &[(String, Candidate)],
        examples: &[ExampleId],
        reserve: u64,
    ) -> Result<Vec<Found>, CommandError> {
        let mut found = Vec::with_capacity(others.len());
        for (label, candidate) in others {
            let one = self
                .race_one(full, label, candidate, examples, reserve)
                .await?;
            let _ = writeln!(
                std::io::stderr(),
                "{label}: {} after {} examples",
                one.finding.as_str(),
                one.examples
            );
            found.push(one);
        }
        Ok(found)
    }

    async fn race_one(
        &mut self,
        full: &Candidate,
        label: &str,
        candidate: &Candidate,
        examples: &[ExampleId],
        reserve: u64,
    ) -> Result<Found, CommandError> {
        let mut found = Found {
            finding: Finding::Undecided,
            difference: None,
            examples: 0,
        };
        let mut size = FIRST_BLOCK.min(examples.len());
        loop {
            let block = &examples[..size];
            // What is bought for one side alone shows nothing.
            let cost = self.open_cost(full, block) + self.open_cost(candidate, block);
            if !self.affords(cost, reserve) {
                return Ok(found);
            }
            self.score("the full prompt", full, block).await?;
            self.score(label, candidate, block).await?;
            let pairs = self.pairs_on(full, candidate, block);
            let (finding, difference) = self.rule.decide(&pairs, size == examples.len());
            found = Found {
                finding,
                difference,
                examples: pairs.len(),
            };
            if size == examples.len() || finding != Finding::Undecided {
                return Ok(found);
            }
            size = (2 * size).min(examples.len());
        }
    }

    /// The difference of a prompt to the full one on all of these examples, once; `None` if the budget
    /// does not suffice.
    pub(super) async fn check(
        &mut self,
        full: &Candidate,
        other: &Candidate,
        examples: &[ExampleId],
    ) -> Result<Option<Found>, CommandError> {
        let cost = self.open_cost(full, examples) + self.open_cost(other, examples);
        if !self.affords(cost, 0) {
            return Ok(None);
        }
        self.score("the full prompt", full, examples).await?;
        self.score("the shorter prompt", other, examples).await?;
        let pairs = self.pairs_on(full, other, examples);
        let difference = self.rule.compare(&pairs, self.rule.confidence);
        let finding = match difference {
            Some(found) if found.high < 0.0 => Finding::Earns,
            Some(found) if found.low > 0.0 => Finding::Harms,
            Some(found) if found.low > -self.rule.margin => Finding::NotNeeded,
            _ => Finding::Undecided,
        };
        Ok(Some(Found {
            finding,
            difference,
            examples: pairs.len(),
        }))
    }
}
