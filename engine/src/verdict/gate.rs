//! Whether a run's best candidate may replace the seed: a decision with an exit code.

use gepa_evaluation::ExampleId;
use gepa_statistics::Comparison;
use serde::Serialize;

use super::evidence::{CONFIDENCE, Evidence, Pairs, compare, scores_on};
use super::statement::Verdict;
use super::tables::{ComparedSet, RunTables};
use super::words::further;
use crate::record::CandidateRow;

/// What a candidate must show.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRules {
    /// The gain that must be shown. Below 0 it is a loss that must be ruled out.
    pub min_gain: f64,
    /// One minus the risk of passing a candidate whose gain is not above `min_gain`.
    pub confidence: f64,
    /// Examples that must not score lower than before. Those without a score of the seed are left
    /// out; if no other is named, the gate does not pass.
    pub no_regress: Vec<ExampleId>,
    /// Groups of examples, none of which may be shown to be worse.
    pub slices: Vec<(String, Vec<ExampleId>)>,
}

impl Default for GateRules {
    fn default() -> Self {
        Self {
            min_gain: 0.0,
            confidence: CONFIDENCE,
            no_regress: Vec::new(),
            slices: Vec::new(),
        }
    }
}

/// The decision on a run's best candidate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GateReport {
    /// Whether every condition holds.
    pub passed: bool,
    /// The decision in one sentence.
    pub sentence: String,
    /// The verdict on the run, as every other view shows it.
    pub verdict: Verdict,
    /// The gain that had to be shown.
    pub min_gain: f64,
    /// The comparison that the decision rests on; `None` if the seed is the best candidate.
    pub evidence: Option<Evidence>,
    /// What was shown of the gain.
    pub overall: GateOutcome,
    /// How many further examples would decide, if the difference stays.
    pub further_examples: Option<u64>,
    /// The groups of examples.
    pub slices: Vec<SliceReport>,
    /// The examples that must not regress.
    pub named: Vec<NamedReport>,
}

/// What was shown of a gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// The gain is above the one wanted.
    Better,
    /// The loss is smaller than the one allowed.
    NotInferior,
    /// The examples do not decide.
    NotShown,
    /// The gain is below the one wanted.
    Worse,
}

/// What was found in a group of examples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SliceReport {
    /// The group.
    pub name: String,
    /// Its comparison, at a confidence that allows for the number of groups; `None` with too few
    /// scores.
    pub comparison: Option<Comparison>,
    /// Whether the group was shown to be worse than before.
    pub worse: bool,
}

/// An example that must not regress.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedReport {
    /// The example.
    pub example: ExampleId,
    /// Its score with the seed.
    pub before: Option<f64>,
    /// Its score with the best candidate.
    pub after: Option<f64>,
    /// Whether it kept its score. `None` if there is none before, so there is nothing to compare.
    pub held: Option<bool>,
}

impl GateReport {
    /// Decides by these rules.
    pub fn of(tables: &RunTables, rules: &GateRules) -> Self {
        let verdict = Verdict::of(tables);
        let sides = tables.seed().zip(tables.best());
        let evidence = sides
            .filter(|(seed, best)| seed.candidate_id != best.candidate_id)
            .and_then(|(seed, best)| compare(tables, seed, best, rules.confidence));
        let overall = outcome(evidence.as_ref(), rules.min_gain);
        let slices: Vec<SliceReport> = sides.map_or_else(Vec::new, |sides| {
            let slices = rules.slices.iter();
            slices
                .map(|(name, examples)| slice(tables, sides, rules, name, examples))
                .collect()
        });
        let named: Vec<NamedReport> = rules
            .no_regress
            .iter()
            .map(|example| named(tables, sides, example))
            .collect();
        let passes = matches!(overall, GateOutcome::Better | GateOutcome::NotInferior);
        let is_over = tables.run.summary.status.is_terminal();
        let further_examples = match (overall, &evidence) {
            (GateOutcome::NotShown, Some(found)) => {
                found.comparison.further_examples(rules.min_gain)
            }
            _ => None,
        };
        let mut report = Self {
            passed: is_over
                && passes
                && slices.iter().all(|slice| !slice.worse)
                && keeps_scores(&named),
            sentence: String::new(),
            verdict,
            min_gain: rules.min_gain,
            evidence,
            overall,
            further_examples,
            slices,
            named,
        };
        report.sentence = sentence(&report, is_over);
        report
    }
}

fn outcome(evidence: Option<&Evidence>, min_gain: f64) -> GateOutcome {
    match evidence.map(|found| &found.comparison) {
        Some(found) if found.shows_more_than(min_gain) && min_gain < 0.0 => {
            GateOutcome::NotInferior
        }
        Some(found) if found.shows_more_than(min_gain) => GateOutcome::Better,
        Some(found) if found.shows_less_than(min_gain) => GateOutcome::Worse,
        // The seed is not inferior to itself.
        None if min_gain < 0.0 => GateOutcome::NotInferior,
        _ => GateOutcome::NotShown,
    }
}

type Sides<'a> = (&'a CandidateRow, &'a CandidateRow);

fn slice(
    tables: &RunTables,
    (seed, best): Sides<'_>,
    rules: &GateRules,
    name: &str,
    examples: &[ExampleId],
) -> SliceReport {
    let risk = (1.0 - rules.confidence) / rules.slices.len().max(1) as f64;
    let pairs = Pairs::within(tables, (seed, best), examples);
    let comparison = Comparison::of(&pairs.scores, 1.0 - risk);
    SliceReport {
        name: name.to_owned(),
        worse: comparison
            .as_ref()
            .is_some_and(|found| found.shows_less_than(0.0)),
        comparison,
    }
}

fn named(tables: &RunTables, sides: Option<Sides<'_>>, example: &ExampleId) -> NamedReport {
    let (before, after) = sides.map_or((None, None), |sides| scores_on(tables, sides, example));
    NamedReport {
        example: example.clone(),
        before,
        after,
        held: before.map(|before| after.is_some_and(|after| after >= before)),
    }
}

/// Whether no example regressed, and at least one of those named could be compared.
fn keeps_scores(named: &[NamedReport]) -> bool {
    let mut compared = named.iter().filter_map(|example| example.held).peekable();
    (named.is_empty() || compared.peek().is_some()) && compared.all(|held| held)
}

fn sentence(report: &GateReport, is_over: bool) -> String {
    if !is_over {
        return "not passed: the run is not over".to_owned();
    }
    let word = if report.passed {
        "passed"
    } else {
        "not passed"
    };
    let gain = report.min_gain;
    let overall = match report.overall {
        GateOutcome::Better if gain > 0.0 => format!("better by more than {gain}"),
        GateOutcome::Better => "better".to_owned(),
        GateOutcome::NotInferior => {
            format!("not inferior: a loss of more than {} is ruled out", -gain)
        }
        GateOutcome::NotShown if gain > 0.0 => format!("a gain above {gain} is not shown"),
        GateOutcome::NotShown if gain < 0.0 => {
            format!("a loss of more than {} is not ruled out", -gain)
        }
        GateOutcome::NotShown => "a gain is not shown".to_owned(),
        GateOutcome::Worse if gain == 0.0 => "worse".to_owned(),
        GateOutcome::Worse => format!("the gain is below {gain}"),
    };
    let mut parts = vec![overall];
    if let Some(found) = &report.evidence {
        let set = match found.set {
            ComparedSet::Validation => "held-out",
            ComparedSet::Pareto => "pareto",
        };
        let difference = &found.comparison.difference;
        parts.push(format!(
            "{:+.3} [{:+.3}, {:+.3}] on {} {set} examples",
            difference.mean, difference.low, difference.high, difference.count
        ));
    } else {
        parts.push(report.verdict.sentence.clone());
    }
    if let Some(count) = report.further_examples {
        parts.push(further(count));
    }
    let worse: Vec<&str> = report
        .slices
        .iter()
        .filter(|slice| slice.worse)
        .map(|slice| slice.name.as_str())
        .collect();
    if !worse.is_empty() {
        parts.push(format!("worse in {}", worse.join(", ")));
    }
    parts.extend(about_named(&report.named));
    format!("{word}: {}", parts.join("; "))
}

/// What became of the examples that must not regress; empty if all of them kept their score.
fn about_named(named: &[NamedReport]) -> Vec<String> {
    let count = |held| named.iter().filter(|example| example.held == held).count();
    let (lost, apart) = (count(Some(false)), count(None));
    let compared = named.len() - apart;
    let mut parts = Vec::new();
    if lost > 0 {
        parts.push(format!(
            "{lost} of {compared} examples that must not regress did, or have no score now"
        ));
    }
    if apart > 0 && compared == 0 {
        parts.push(format!(
            "none of the {apart} examples that must not regress has a score of the seed"
        ));
    } else if apart > 0 {
        parts.push(format!(
            "{apart} of {} examples that must not regress have no score of the seed and are not compared",
            named.len()
        ));
    }
    parts
}
