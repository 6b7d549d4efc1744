//! What a run has shown: whether its best candidate is better than the seed, and if nothing was
//! learned, why.
//!
//! One function decides, and the same words go to the terminal, to JSON, to the gate and to pages.

mod cause;
mod evidence;
mod gate;
mod planned;
mod tables;
mod words;

use gepa_statistics::{Comparison, Corrected, Estimate, TwoWay};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use cause::Cause;
pub use evidence::{ComparedSet, Evidence, Selection, compare, evidence};
pub use gate::{GateOutcome, GateReport, GateRules, NamedReport, SliceReport};
pub use planned::{Planned, PlannedDifference, planned};
pub use tables::{FeedbackSeen, RunTables, read_tables};

use crate::record::RunStatus;

/// The confidence of a verdict's interval, and one minus the risk that a run in which nothing is
/// better ends with `better`, however often it is extended and scored again.
pub const CONFIDENCE: f64 = 0.95;

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// What was shown.
    pub verdict: VerdictKind,
    /// The verdict in one sentence.
    pub sentence: String,
    /// The comparison with the seed; `None` if the seed is the best candidate or has no scores.
    pub evidence: Option<Evidence>,
    /// Why nothing was learned, the likeliest cause first. Also given when a gain was not shown.
    pub causes: Vec<Cause>,
    /// How many further examples of the compared set would decide, if the difference stays.
    pub further_examples: Option<u64>,
    /// How much the accepted candidates differ on the pareto set.
    pub spread: Option<TwoWay>,
    /// What to expect of the best candidate on the pareto set, for which it was chosen.
    pub pareto_score: Option<Corrected>,
    /// How much higher the best candidate scores on the pareto set than on held-out examples.
    pub generalisation_gap: Option<Estimate>,
    /// What the verdict would be with the examples that people excluded; `None` if there are none.
    pub with_excluded: Option<WithExcluded>,
}

/// The verdict with the examples that people excluded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WithExcluded {
    /// The number of excluded examples, in all sets.
    pub examples: usize,
    /// What would be shown.
    pub verdict: VerdictKind,
    /// The comparison with the seed.
    pub evidence: Option<Evidence>,
}

/// What a run has shown about its best candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VerdictKind {
    /// The best candidate scores higher than the seed.
    Better,
    /// The best candidate is not the seed, and the examples do not show that it scores higher.
    NotShown,
    /// The best candidate scores lower than the seed.
    Worse,
    /// The seed is the best candidate.
    NothingLearned,
    /// The run is not over.
    Pending,
}

impl VerdictKind {
    /// The verdict in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::NotShown => "not shown to be better",
            Self::Worse => "worse",
            Self::NothingLearned => "nothing was learned",
            Self::Pending => "no verdict yet",
        }
    }
}

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
    let examples = tables.run.summary.excluded.len();
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
