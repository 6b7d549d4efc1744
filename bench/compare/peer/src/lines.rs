//! What the harness reads: one JSON object per line on stdout.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use gepa::core::callbacks::{
    EvaluationEndEvent, GEPACallback, OptimizationEndEvent, ValsetEvaluatedEvent,
};
use serde_json::json;

/// Clock ticks per second in /proc, which Linux fixes for programs.
const TICKS: f64 = 100.0;

/// Tells of every candidate that enters the pool.
pub(crate) struct Lines {
    component: String,
    seed_prompt: String,
}

impl Lines {
    pub(crate) fn new(component: &str, seed_prompt: &str) -> Self {
        Self {
            component: component.to_owned(),
            seed_prompt: seed_prompt.to_owned(),
        }
    }
}

impl GEPACallback<usize> for Lines {
    /// The seed's scores come this way only.
    fn on_evaluation_end(&self, event: &EvaluationEndEvent) {
        if event.is_seed_candidate {
            let sum: f64 = event.scores.iter().sum();
            candidate(sum / event.scores.len() as f64, Some(&self.seed_prompt));
        }
    }

    fn on_valset_evaluated(&self, event: &ValsetEvaluatedEvent) {
        candidate(event.average_score, event.candidate.get(&self.component));
    }

    fn on_optimization_end(&self, event: &OptimizationEndEvent<'_, usize>) {
        let line = json!({
            "event": "end",
            "at_ms": now_ms(),
            "iterations": event.total_iterations,
            "calls": event.total_metric_calls,
        });
        println!("{line}");
    }
}

/// Says that everything before the first call is done, and what that cost.
pub(crate) fn start() {
    let line = json!({"event": "start", "at_ms": now_ms(), "cpu_seconds": cpu_seconds()});
    println!("{line}");
}

fn candidate(score: f64, text: Option<&String>) {
    let line = json!({
        "event": "candidate",
        "at_ms": now_ms(),
        "score": score,
        "text": text,
    });
    println!("{line}");
}

fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

/// CPU time of this process so far; nothing where there is no /proc.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit(')').next()?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}
