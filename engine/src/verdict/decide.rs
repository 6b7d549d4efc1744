//! Reaches the verdict on a run from its tables.

use gepa_statistics::Comparison;
use serde_json::{Map, Value, json};

use super::evidence::{self, CONFIDENCE, Evidence, evidence};
use super::statement::{Verdict, VerdictKind, WithExcluded};
use super::tables::{ComparedSet, RunTables};
use super::{cause, words};
use crate::record::RunStatus;

impl Verdict {
    /// The verdict on the run that these tables describe.
    pub fn of(tables: &RunTables) -> Self {
        let found = evidence(tables, CONFIDENCE);
        let kind = kind(tables, found.as_ref());
        let spread = evidence::spread(tables);
        let pareto_score = evidence::pareto_score(tables, spread.as_ref());
        let causes = match kind {
            VerdictKind::Better | VerdictKind::Pending => Vec::new(),
            VerdictKind::NothingLearned => cause::all(tables, spread.as_ref(), true),
            VerdictKind::NotShown | VerdictKind::Worse => {
                cause::all(tables, spread.as_ref(), false)
            }
        };
        let further_examples = match (kind, &found) {
            (VerdictKind::NotShown, Some(found)) => found.comparison.further_examples(0.0),
            _ => None,
        };
        let mut verdict = Self {
            verdict: kind,
            sentence: String::new(),
            evidence: found,
            causes,
            further_examples,
            spread,
            pareto_score,
            generalisation_gap: evidence::generalisation_gap(tables),
            with_excluded: with_excluded(tables),
        };
        verdict.sentence = words::sentence(&verdict);
        verdict
    }

    /// What else is known, one fact a line.
    pub fn details(&self) -> Vec<String> {
        words::details(self)
    }

    /// The comparison with the seed.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.evidence.as_ref().map(|found| &found.comparison)
    }
}

/// The figures of a run with its verdict: the word, the sentence, and all that the sentence rests on.
#[must_use]
pub fn with_verdict(mut statistics: Map<String, Value>, verdict: &Verdict) -> Map<String, Value> {
    let comparison = verdict.comparison();
    let further = [
        ("verdict", json!(verdict.verdict)),
        ("verdict_sentence", json!(verdict.sentence)),
        ("p_better", json!(comparison.map(|found| found.p_better))),
        ("verdict_details", json!(verdict)),
    ];
    statistics.extend(further.map(|(name, value)| (name.to_owned(), value)));
    statistics
}

fn with_excluded(tables: &RunTables) -> Option<WithExcluded> {
    // Exclusions from other sets change the search, and the comparison takes no notice of them.
    let set = match evidence(tables, CONFIDENCE).map(|found| found.set) {
        Some(ComparedSet::Pareto) => &tables.run.pareto,
        None if tables.run.validation.is_empty() => &tables.run.pareto,
        _ => &tables.run.validation,
    };
    let excluded = tables.run.summary.excluded.iter();
    let examples = excluded.filter(|example| set.contains(example)).count();
    if examples == 0 {
        return None;
    }
    let mut all = tables.clone();
    all.run.summary.excluded.clear();
    let found = evidence(&all, CONFIDENCE);
    Some(WithExcluded {
        examples,
        verdict: kind(&all, found.as_ref()),
        evidence: found,
    })
}

fn kind(tables: &RunTables, found: Option<&Evidence>) -> VerdictKind {
    let is_over = matches!(
        tables.run.summary.status,
        RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled
    );
    if !is_over {
        return VerdictKind::Pending;
    }
    match found.map(|found| &found.comparison) {
        Some(found) if found.shows_more_than(0.0) => VerdictKind::Better,
        Some(found) if found.shows_less_than(0.0) => VerdictKind::Worse,
        Some(_) => VerdictKind::NotShown,
        None if tables.best().is_some_and(|best| !tables.is_seed(best)) => VerdictKind::NotShown,
        None => VerdictKind::NothingLearned,
    }
}
