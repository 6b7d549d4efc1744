//! Lists in responses, compared as sets, as lists, and as rankings.

use indexmap::{IndexMap, IndexSet};

use super::input::{ScorerInput, Verdict, expected_of, failure, quoted};
use super::list_items::{items_among, items_in};
use super::plain_text::{comparable, trimmed};
use super::{ListMeasure, RankingMeasure, SetMeasure, UnicodeForm};
use gepa_evaluation::{Failure, FailureKind};

/// Items named in feedback at most.
const MOST_NAMED: usize = 10;

#[derive(Debug)]
pub(super) struct ItemsScorer {
    pub(super) comparison: Comparison,
    pub(super) ignore_case: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Set(SetMeasure),
    List(ListMeasure),
    Ranking {
        measure: RankingMeasure,
        /// The number of items of the response that count, from the first; all if absent.
        at: Option<usize>,
    },
}

impl ItemsScorer {
    /// Why an expected answer cannot be used.
    pub(super) fn fault_of(&self, expected: &str) -> Option<&'static str> {
        let is_object = expected.trim_start().starts_with('{');
        match self.comparison {
            Comparison::Ranking { .. } if is_object => match grades_in(expected) {
                Some(grades) if grades.values().any(|grade| *grade > 0.0) => None,
                _ => Some("expects grades that are no object of item to number, one above 0"),
            },
            _ if is_object => Some("expects a JSON object, where a list is needed"),
            _ => None,
        }
    }

    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        let expected = expected_of(input)?;
        if let Some(fault) = self.fault_of(expected) {
            let message = format!("example `{}` {fault}; correct the dataset", input.example);
            return Err(failure(FailureKind::Permanent, message));
        }
        let grades = match self.comparison {
            Comparison::Ranking { .. } => self.grades_of(expected),
            _ => IndexMap::new(),
        };
        let wanted: Vec<String> = match self.comparison {
            Comparison::Ranking { .. } => grades.keys().cloned().collect(),
            _ => self.folded(items_in(expected)),
        };
        let is_known = |item: &str| {
            let folded = comparable(trimmed(item), UnicodeForm::Nfc, self.ignore_case);
            wanted.contains(&folded)
        };
        let answered = self.folded(items_among(input.output, &is_known));
        let score = match self.comparison {
            Comparison::Ranking { measure, at } => {
                let ranked = &answered[..at.unwrap_or(answered.len()).min(answered.len())];
                ranked_score(measure, at, ranked, &grades)
            }
            Comparison::Set(measure) => set_score(measure, &wanted, &answered),
            Comparison::List(measure) => list_score(measure, &wanted, &answered),
        };
        Ok(Verdict {
            score,
            feedback: Some(feedback(score, expected, &wanted, &answered)),
            ..Verdict::default()
        })
    }

    fn folded(&self, items: Vec<String>) -> Vec<String> {
        let fold = |item: String| comparable(trimmed(&item), UnicodeForm::Nfc, self.ignore_case);
        items.into_iter().map(fold).collect()
    }

    /// The grade of each item; 1 for the items of a list.
    fn grades_of(&self, expected: &str) -> IndexMap<String, f64> {
        let fold = |item: &str| comparable(trimmed(item), UnicodeForm::Nfc, self.ignore_case);
        match grades_in(expected) {
            Some(grades) => grades
                .iter()
                .map(|(item, grade)| (fold(item), *grade))
                .collect(),
            None => items_in(expected)
                .iter()
                .map(|item| (fold(item), 1.0))
                .collect(),
        }
    }
}

fn grades_in(expected: &str) -> Option<IndexMap<String, f64>> {
    serde_json::from_str(expected).ok()
}

fn set_score(measure: SetMeasure, wanted: &[String], answered: &[String]) -> f64 {
    let wanted: IndexSet<&String> = wanted.iter().collect();
    let answered: IndexSet<&String> = answered.iter().collect();
    let shared = wanted.intersection(&answered).count();
    let share = |of: usize| {
        if of == 0 {
            0.0
        } else {
            shared as f64 / of as f64
        }
    };
    match measure {
        SetMeasure::F1 => share(wanted.len() + answered.len()) * 2.0,
        SetMeasure::Jaccard => share(wanted.union(&answered).count()),
        SetMeasure::Precision => share(answered.len()),
        SetMeasure::Recall => share(wanted.len()),
        SetMeasure::Exact => f64::from(shared == wanted.len() && shared == answered.len()),
    }
}

fn list_score(measure: ListMeasure, wanted: &[String], answered: &[String]) -> f64 {
    match measure {
        ListMeasure::Exact => f64::from(wanted == answered),
        ListMeasure::Positions => {
            let same = wanted
                .iter()
                .zip(answered)
                .filter(|(one, other)| one == other)
                .count();
            same as f64 / wanted.len().max(answered.len()).max(1) as f64
        }
    }
}

/// An item named twice counts where it stands first.
fn ranked_score(
    measure: RankingMeasure,
    at: Option<usize>,
    ranked: &[String],
    grades: &IndexMap<String, f64>,
) -> f64 {
    let mut seen = IndexSet::new();
    let gains: Vec<f64> = ranked
        .iter()
        .map(|item| {
            let grade = grades.get(item).copied().unwrap_or(0.0);
            if seen.insert(item) {
                grade.max(0.0)
            } else {
                0.0
            }
        })
        .collect();
    match measure {
        RankingMeasure::ReciprocalRank => {
            let first = gains.iter().position(|gain| *gain > 0.0);
            first.map_or(0.0, |place| 1.0 / (place + 1) as f64)
        }
        RankingMeasure::AveragePrecision => {
            let relevant = grades.values().filter(|grade| **grade > 0.0).count();
            let relevant = at.map_or(relevant, |at| relevant.min(at));
            let mut found = 0_usize;
            let mut sum = 0.0;
            for (place, gain) in gains.iter().enumerate() {
                if *gain > 0.0 {
                    found += 1;
                    sum += found as f64 / (place + 1) as f64;
                }
            }
            if relevant == 0 {
                0.0
            } else {
                sum / relevant as f64
            }
        }
        RankingMeasure::Ndcg => {
            let mut ideal: Vec<f64> = grades.values().map(|grade| grade.max(0.0)).collect();
            ideal.sort_by(|one, other| other.total_cmp(one));
            ideal.truncate(at.unwrap_or(ideal.len()));
            let best = discounted(&ideal);
            if best > 0.0 {
                (discounted(&gains) / best).min(1.0)
            } else {
                0.0
            }
        }
    }
}

fn discounted(gains: &[f64]) -> f64 {
    let places = gains.iter().enumerate();
    places
        .map(|(place, gain)| gain / ((place + 2) as f64).log2())
        .sum()
}

fn feedback(score: f64, expected: &str, wanted: &[String], answered: &[String]) -> String {
    if score >= 1.0 {
        return format!("Correct: the expected answer is {}.", quoted(expected));
    }
    let mut text = format!(
        "The expected answer is {}: {score:.3} of 1.",
        quoted(expected)
    );
    let without = |some: &[String], others: &[String]| -> Vec<String> {
        let all = some.iter().filter(|item| !others.contains(item));
        all.take(MOST_NAMED)
            .map(|item| format!("`{item}`"))
            .collect()
    };
    for (name, items) in [
        ("missing", without(wanted, answered)),
        ("too many", without(answered, wanted)),
    ] {
        if !items.is_empty() {
            text.extend([" ", name, ": ", &items.join(", "), "."]);
        }
    }
    if text.ends_with("of 1.") {
        text.push_str(" The items are right, their order or number is not.");
    }
    text
}
