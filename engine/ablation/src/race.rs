//! Prompts without some of their parts, run on the same examples in blocks that double, within a budget
//! of rollouts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gepa_engine::{
    Candidate, ContentId, ExampleId, LabelChange, RolloutPages, RunId, Store, StoreError,
};
use gepa_statistics::Estimate;

use tokio::sync::watch;

use crate::decision::{Finding, Rule};
use crate::error::AblationError;
use crate::scoring::{Named, Scoring};

/// Examples of the first block.
pub(crate) const FIRST_BLOCK: usize = 16;
/// The tag of the runs that hold the outcomes.
pub const TAG: &str = "ablation";
/// What an ablation does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AblationStep<'a> {
    /// A prompt is run on further examples.
    Begun {
        /// The prompt.
        label: &'a str,
        /// The run that holds its outcomes.
        run: &'a RunId,
        /// The number of examples.
        examples: usize,
    },
    /// These examples were run.
    Scored {
        /// Rollouts executed since the ablation began.
        executed: u64,
    },
    /// What a prompt without some parts showed.
    Decided {
        /// The prompt.
        label: &'a str,
        /// What it showed.
        finding: Finding,
        /// Examples run.
        examples: usize,
    },
}

/// Follows an ablation, and can end it.
pub struct Follower {
    /// Receives each step.
    pub told: Box<dyn Fn(AblationStep<'_>) + Send + Sync>,
    /// When it becomes true, calls in flight are finished and stored, and nothing further begins.
    pub cancelled: watch::Receiver<bool>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Follower").finish_non_exhaustive()
    }
}

/// What is written beside the runs that hold the outcomes of an ablation of this run.
pub fn note_of(run: &RunId) -> String {
    format!("ablation of {run}")
}

/// What was found about a prompt without some parts.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) finding: Finding,
    pub(crate) difference: Option<Estimate>,
    /// Examples run.
    pub(crate) examples: usize,
}

/// What runs have, by prompt: the runs, and the examples that are scored.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<ContentId, (Vec<RunId>, BTreeSet<ExampleId>)>);

impl Known {
    /// Takes in the rollouts of a run.
    pub(crate) async fn add(&mut self, store: &dyn Store, run: &RunId) -> Result<(), StoreError> {
        let mut pages = RolloutPages::of(store, run);
        while let Some(page) = pages.next().await? {
            for row in page.iter().filter(|row| row.score.is_some()) {
                let (runs, examples) = self.0.entry(row.candidate_id).or_default();
                if runs.last() != Some(run) {
                    runs.push(run.clone());
                }
                examples.insert(row.example.clone());
            }
        }
        Ok(())
    }
}

/// Scores prompts and counts what that costs.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) scoring: Scoring,
    pub(crate) rule: Rule,
    pub(crate) run: RunId,
    /// What earlier runs bought.
    known: Known,
    /// Scores bought or known, by prompt and example.
    scores: BTreeMap<ContentId, BTreeMap<ExampleId, f64>>,
    asked: BTreeMap<ContentId, BTreeSet<ExampleId>>,
    pub(crate) executed: u64,
    /// The most rollouts that may be executed.
    pub(crate) budget: u64,
}

impl Bench {
    pub(crate) fn new(scoring: Scoring, rule: Rule, run: RunId, known: Known, budget: u64) -> Self {
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
    pub(crate) fn cost(&self, candidate: &Candidate, examples: &[ExampleId]) -> usize {
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
        follower: &Follower,
        label: &str,
        candidate: &Candidate,
        examples: &[ExampleId],
    ) -> Result<(), AblationError> {
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
        let note = note_of(&self.run);
        let named = Named {
            label,
            name: format!("{note}, {label}"),
            candidate,
            labels: Some(LabelChange {
                add_tags: BTreeSet::from([TAG.to_owned()]),
                note: Some(note),
                archived: Some(true),
                ..LabelChange::default()
            }),
        };
        let begun = |run: &RunId| {
            let examples = new.len();
            (follower.told)(AblationStep::Begun {
                label,
                run,
                examples,
            });
        };
        let scoring = &self.scoring;
        let scored = scoring
            .score(named, &new, &known, begun, follower.cancelled.clone())
            .await?;
        self.executed += scored.executed;
        (follower.told)(AblationStep::Scored {
            executed: self.executed,
        });
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
    pub(crate) async fn race(
        &mut self,
        follower: &Follower,
        full: &Candidate,
        others: &[(String, Candidate)],
        examples: &[ExampleId],
        reserve: u64,
    ) -> Result<Vec<Found>, AblationError> {
        let mut found = Vec::with_capacity(others.len());
        for (label, candidate) in others {
            let one = self
                .race_one(follower, full, label, candidate, examples, reserve)
                .await?;
            (follower.told)(AblationStep::Decided {
                label,
                finding: one.finding,
                examples: one.examples,
            });
            found.push(one);
        }
        Ok(found)
    }

    async fn race_one(
        &mut self,
        follower: &Follower,
        full: &Candidate,
        label: &str,
        candidate: &Candidate,
        examples: &[ExampleId],
        reserve: u64,
    ) -> Result<Found, AblationError> {
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
            self.score(follower, "the full prompt", full, block).await?;
            self.score(follower, label, candidate, block).await?;
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
    pub(crate) async fn check(
        &mut self,
        follower: &Follower,
        full: &Candidate,
        other: &Candidate,
        examples: &[ExampleId],
    ) -> Result<Option<Found>, AblationError> {
        let cost = self.open_cost(full, examples) + self.open_cost(other, examples);
        if !self.affords(cost, 0) {
            return Ok(None);
        }
        self.score(follower, "the full prompt", full, examples)
            .await?;
        self.score(follower, "the shorter prompt", other, examples)
            .await?;
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
