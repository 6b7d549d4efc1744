//! The learning curve. Readers compute the lift of a job from its ends.
//!
//! Readers take the first `performance` as the baseline and the highest as the best. Both must come
//! from the same examples, so all `performance` values of a curve are of one kind: validation
//! scores if the job validated, pareto scores otherwise. Candidates without a score of that kind
//! are not points of the curve; they are listed beside it with their pareto scores.

use serde_json::{Value, json};

use super::history::{Point, Validated};
use super::outcome::Outcome;

const SEED: &str = "seed";
const FINAL: &str = "final";

/// A learning curve.
#[derive(Debug)]
pub struct Curve {
    /// One entry per candidate with a score of the curve's kind.
    pub points: Vec<Value>,
    /// Improvements that were not validated.
    pub improvements: Vec<Value>,
    /// `validation` or `pareto`.
    pub kind: &'static str,
    /// The seed's score.
    pub baseline: Option<f64>,
    /// The highest score.
    pub best: Option<f64>,
}

/// The curve of a job.
pub(super) fn curve(outcome: &Outcome) -> Curve {
    let history = &outcome.history;
    let held_out = history
        .validation
        .iter()
        .find(|result| result.rank.is_none());
    let held_out = held_out.and_then(|baseline| baseline.score);
    let total = outcome.rollouts();
    let mut points = Vec::new();
    let mut improvements = Vec::new();
    let mut performances = Vec::new();
    for (position, point) in history.points.iter().enumerate() {
        let is_baseline = point.tag == SEED || (position == 0 && point.tag != FINAL);
        if point.tag == FINAL && position > 0 {
            continue;
        }
        let performance = match held_out {
            Some(score) => is_baseline.then_some(score),
            None => Some(point.score),
        };
        let entry = of_snapshot(point, performance, is_baseline, total);
        match performance {
            Some(performance) => {
                performances.push(performance);
                points.push(entry);
            }
            None => improvements.push(entry),
        }
    }
    if held_out.is_some() {
        let mut candidates: Vec<&Validated> = history
            .validation
            .iter()
            .filter(|result| result.rank.is_some())
            .collect();
        candidates.sort_by_key(|result| std::cmp::Reverse(result.rank));
        for result in candidates {
            if let Some(score) = result.score {
                performances.push(score);
                points.push(of_validation(outcome, result));
            }
        }
    } else if let Some(last) = points.last_mut() {
        // Readers take the last point's count as the run's.
        last["rollout_count"] = json!(total);
        last["checkpoint_pct"] = json!(percent(total, total));
    }
    Curve {
        points,
        improvements,
        kind: if held_out.is_some() {
            "validation"
        } else {
            "pareto"
        },
        baseline: performances.first().copied(),
        best: performances.iter().copied().reduce(f64::max),
    }
}

fn of_snapshot(point: &Point, performance: Option<f64>, is_baseline: bool, total: u64) -> Value {
    let mut entry = json!({
        "rollout_count": point.rollouts,
        "checkpoint_pct": percent(point.rollouts, total),
        "phase": if performance.is_some() && performance != Some(point.score) { "validation" } else { "optimization" },
        "is_baseline": is_baseline,
        "pareto_score": point.score,
        "iteration": point.iterations,
        "trial": point.trials,
        "tokens": point.tokens,
        "template": {"sections": point.sections},
    });
    set_performance(&mut entry, performance);
    entry
}

fn of_validation(outcome: &Outcome, result: &Validated) -> Value {
    let count = |name: &str| outcome.stats.get(name).cloned().unwrap_or_default();
    let total = outcome.rollouts();
    let mut entry = json!({
        "rollout_count": total,
        "checkpoint_pct": percent(total, total),
        "phase": "validation",
        "is_baseline": false,
        "rank": result.rank,
        "eval_n": result.examples,
        "iteration": count("iterations"),
        "trial": count("trials_tried"),
        "tokens": count("total_tokens"),
        "template": {"sections": result.sections},
    });
    set_performance(&mut entry, result.score);
    entry
}

/// Sets the score under every name that readers know. Some readers treat 0 as absent and read the
/// next name.
fn set_performance(entry: &mut Value, performance: Option<f64>) {
    if let Some(performance) = performance {
        for name in ["performance", "score", "aggregate_score"] {
            entry[name] = json!(performance);
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64 * 100.0
}
