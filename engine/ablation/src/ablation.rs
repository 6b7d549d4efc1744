//! Removes the parts of a prompt one at a time, and looks for a shorter prompt that does as well.

use std::collections::BTreeSet;
use std::sync::Arc;

use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::{AblationNoted, Candidate, Seq, SteeredBy, Store, note_ablation};

use crate::decision::{Finding, Rule};
use crate::error::AblationError;
use crate::parts::{Part, parts, without};
use crate::race::{Bench, Follower, Found, Known};
use crate::report::{AblationReport, Shorter};
use crate::same_task::{evaluations_of, is_of_same_task};
use crate::scoring::{Scoring, as_evaluation, width};
use crate::sets::Sets;

/// What an ablation may cost, and when a part is decided.
#[derive(Clone, Copy, Debug)]
pub struct AblationSettings {
    /// The most rollouts that are executed; known outcomes do not count.
    pub max_rollouts: u64,
    /// The loss of mean score below which a part is not needed, above 0.
    pub margin: f64,
    /// One minus the risk of a wrong claim about one part, from 0.5 to below 1.
    pub confidence: f64,
}

/// An ablation whose settings were checked and that has not begun.
#[derive(Debug)]
pub struct Ablation {
    bench: Bench,
    run: RunRow,
    row: CandidateRow,
    parts: Vec<Part>,
    sets: Sets,
}

impl AblationSettings {
    /// The loss that counts as none unless the user says otherwise.
    pub const MARGIN: f64 = 0.05;
    /// One minus the risk that is taken unless the user says otherwise.
    pub const CONFIDENCE: f64 = 0.95;

    fn check(&self) -> Result<(), AblationError> {
        if !(0.5..1.0).contains(&self.confidence) {
            return Err(AblationError::Settings(format!(
                "a confidence of {} cannot be used; give a number from 0.5 to below 1, for example 0.95",
                self.confidence
            )));
        }
        if !(self.margin.is_finite() && self.margin > 0.0) {
            return Err(AblationError::Settings(format!(
                "a margin of {} cannot be used; give a loss above 0, for example 0.05",
                self.margin
            )));
        }
        Ok(())
    }
}

impl Ablation {
    /// Checks everything that can be checked without a rollout. `scoring` has the description of the task
    /// as it is now; that of an evaluation is made of it.
    ///
    /// # Errors
    ///
    /// Why the ablation cannot begin.
    pub async fn new(
        mut scoring: Scoring,
        run: RunRow,
        row: CandidateRow,
        settings: AblationSettings,
    ) -> Result<Self, AblationError> {
        settings.check()?;
        let parts = parts(&row.components);
        if parts.len() < 2 {
            return Err(AblationError::OnePart);
        }
        if !is_of_same_task(&run, &scoring.described, scoring.config.prompt()) {
            return Err(AblationError::OtherTask(run.run_id));
        }
        scoring.described = as_evaluation(&scoring.described);
        let rule = Rule {
            margin: settings.margin,
            confidence: settings.confidence,
            width: width(&*scoring.evaluator).unwrap_or(1.0),
        };
        let known = known(&scoring, &run).await?;
        let sets = Sets::of(scoring.config.sets());
        let bench = Bench::new(
            scoring,
            rule,
            run.run_id.clone(),
            known,
            settings.max_rollouts,
        );
        sets.check_budget(&bench, &row.components)?;
        Ok(Self {
            bench,
            run,
            row,
            parts,
            sets,
        })
    }

    /// What is known about its outcome before it begins: a sentence if even a part that changes nothing
    /// could not be shown to be needless.
    pub fn note(&self) -> Option<String> {
        let rule = &self.bench.rule;
        let examples = self.sets.race.len();
        let (finding, found) = rule.decide(&vec![(1.0, 1.0); examples], true);
        let found = found.filter(|_| finding == Finding::Undecided)?;
        Some(format!(
            "{examples} examples can show a loss below {:.3} at best, so no part can be found to be not needed with a \
             margin of {}; give a greater margin, or a task with more examples",
            -found.low, rule.margin
        ))
    }

    /// Removes the parts one at a time. What was paid for is stored as it comes, and another ablation
    /// knows it.
    ///
    /// # Errors
    ///
    /// A prompt could not be scored, or it was cancelled.
    pub async fn find(&mut self, follower: &Follower) -> Result<AblationReport, AblationError> {
        let full = &self.row.components;
        let mut report = AblationReport::new(
            &self.run,
            &self.row.candidate_id,
            self.bench.rule,
            &self.sets,
            full,
            &self.parts,
        );
        let (parts, sets) = (&self.parts, &self.sets);
        find(&mut self.bench, follower, full, parts, sets, &mut report).await?;
        report.executed = self.bench.executed;
        Ok(report)
    }

    /// Writes the findings into the journal of the run, and returns their entry.
    ///
    /// # Errors
    ///
    /// [`StoreError::Claimed`](gepa_engine::StoreError::Claimed) while a process works on the run.
    pub async fn keep(&self, report: &AblationReport, by: SteeredBy) -> Result<Seq, AblationError> {
        let noted = AblationNoted {
            candidate: self.row.candidate_id,
            index: self.row.index,
            report: serde_json::to_value(report)?,
            by,
        };
        Ok(note_ablation(&*self.bench.scoring.store, &self.run.run_id, noted).await?)
    }
}

/// The outcomes of the run, and of evaluations of its task.
async fn known(scoring: &Scoring, run: &RunRow) -> Result<Known, AblationError> {
    let store: &Arc<dyn Store> = &scoring.store;
    let mut known = Known::default();
    known.add(&**store, &run.run_id).await?;
    for other in evaluations_of(store, &scoring.described, scoring.config.prompt()).await? {
        if other != run.run_id {
            known.add(&**store, &other).await?;
        }
    }
    Ok(known)
}

/// Races the parts, and looks for the shorter prompt.
async fn find(
    bench: &mut Bench,
    follower: &Follower,
    full: &Candidate,
    parts: &[Part],
    sets: &Sets,
    report: &mut AblationReport,
) -> Result<(), AblationError> {
    let reserve = sets.reserve(bench, full);
    let mut tried = Vec::new();
    let mut others = Vec::new();
    for place in longest_first(
        parts,
        (0..parts.len()).filter(|place| !parts[*place].is_fixed),
    ) {
        if let Some(rest) = without(full, parts, &BTreeSet::from([place])) {
            tried.push(place);
            others.push((format!("without part {}", place + 1), rest));
        }
    }
    let found = bench
        .race(follower, full, &others, &sets.race, reserve)
        .await?;
    for (place, found) in tried.iter().zip(&found) {
        report.parts[*place].set(found);
    }
    let removable: BTreeSet<usize> = tried
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.finding.is_removable())
        .map(|(place, _)| *place)
        .collect();
    if removable.is_empty() {
        return Ok(());
    }
    let removed = together(bench, follower, full, parts, sets, &removable, reserve).await?;
    report.tried_together = Some(removed.is_some());
    let removed = match removed {
        Some(removed) => removed,
        None => {
            one_after_the_other(bench, follower, full, parts, sets, &removable, reserve).await?
        }
    };
    let Some(shorter) = without(full, parts, &removed).filter(|_| !removed.is_empty()) else {
        return Ok(());
    };
    let check = bench.check(follower, full, &shorter, &sets.check).await?;
    report.shorter = Some(Shorter::new(
        full,
        &shorter,
        &removed,
        check.as_ref(),
        &bench.rule,
    ));
    Ok(())
}

/// All removable parts, if the prompt can do without all of them at once.
async fn together(
    bench: &mut Bench,
    follower: &Follower,
    full: &Candidate,
    parts: &[Part],
    sets: &Sets,
    removable: &BTreeSet<usize>,
    reserve: u64,
) -> Result<Option<BTreeSet<usize>>, AblationError> {
    let Some(rest) = without(full, parts, removable) else {
        return Ok(None);
    };
    let found = race_one(
        bench,
        follower,
        full,
        "without all of these",
        rest,
        sets,
        reserve,
    )
    .await?;
    Ok(found.finding.is_removable().then(|| removable.clone()))
}

/// Parts that stand in for each other are each removable but not together, so each is removed only if
/// the prompt can do without it and those before it.
async fn one_after_the_other(
    bench: &mut Bench,
    follower: &Follower,
    full: &Candidate,
    parts: &[Part],
    sets: &Sets,
    removable: &BTreeSet<usize>,
    reserve: u64,
) -> Result<BTreeSet<usize>, AblationError> {
    let mut removed = BTreeSet::new();
    for place in longest_first(parts, removable.iter().copied()) {
        let mut more = removed.clone();
        more.insert(place);
        let Some(rest) = without(full, parts, &more) else {
            continue;
        };
        let label = format!("without {} parts", more.len());
        let found = race_one(bench, follower, full, &label, rest, sets, reserve).await?;
        if found.finding.is_removable() {
            removed = more;
        }
    }
    Ok(removed)
}

async fn race_one(
    bench: &mut Bench,
    follower: &Follower,
    full: &Candidate,
    label: &str,
    candidate: Candidate,
    sets: &Sets,
    reserve: u64,
) -> Result<Found, AblationError> {
    let others = [(label.to_owned(), candidate)];
    let mut found = bench
        .race(follower, full, &others, &sets.race, reserve)
        .await?;
    Ok(found.pop().unwrap_or(Found {
        finding: Finding::Undecided,
        difference: None,
        examples: 0,
    }))
}

/// Places of parts, the longest part first: it saves most.
fn longest_first(parts: &[Part], places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut ordered: Vec<usize> = places.collect();
    ordered.sort_by_key(|place| std::cmp::Reverse(parts[*place].text.chars().count()));
    ordered
}
