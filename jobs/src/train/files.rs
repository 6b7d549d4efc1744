//! Writes the result files under the names that job queues look for.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::curve::{Curve, curve};
use super::outcome::Outcome;

/// The result of writing the files.
#[derive(Debug)]
pub struct Written {
    /// The folder.
    pub folder: PathBuf,
    /// The learning curve.
    pub curve: Curve,
}

/// Writes all result files of a job. No file's name matches the pattern of another kind of file.
pub fn write_files(folder: &Path, outcome: &Outcome) -> io::Result<Written> {
    let curve = curve(outcome);
    let digits: String = outcome
        .ended_at
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    let suffix = format!("{}_{digits}", outcome.job_id);
    let path = |kind: &str, ending: &str| folder.join(format!("gepa_{kind}_{suffix}.{ending}"));
    if !curve.points.is_empty() {
        write_json(
            &path("learning_curve", "json"),
            &learning_curve(outcome, &curve),
        )?;
    }
    write_json(&path("stats", "json"), &Value::Object(stats(outcome)))?;
    if let Some(best) = best_prompt(outcome, &curve) {
        write_json(&path("best_prompt", "json"), &best)?;
    }
    write(&path("results", "txt"), results(outcome, &curve).as_bytes())?;
    Ok(Written {
        folder: folder.to_owned(),
        curve,
    })
}

fn learning_curve(outcome: &Outcome, curve: &Curve) -> Value {
    let mut file = json!({
        "job_id": outcome.job_id,
        "score_kind": curve.kind,
        "curve": curve.points,
        "improvements": curve.improvements,
    });
    if outcome.rollouts() > 0 {
        file["total_rollouts"] = json!(outcome.rollouts());
    }
    file
}

fn stats(outcome: &Outcome) -> Map<String, Value> {
    let mut stats = outcome.stats.clone();
    if outcome.rollouts() == 0 {
        // Readers refuse a zero. If the field is absent they read the figure from another place.
        stats.shift_remove("total_rollouts");
    }
    stats.insert("job_id".to_owned(), json!(outcome.job_id));
    stats.insert(
        "total_time".to_owned(),
        json!(outcome.number("total_time_seconds").unwrap_or_default()),
    );
    stats
}

fn best_prompt(outcome: &Outcome, curve: &Curve) -> Option<Value> {
    let payload = &outcome.history.last.as_ref()?.payload;
    let best = &payload.best_prompt;
    Some(json!({
        "job_id": outcome.job_id,
        "best_score": curve.best,
        "score_kind": curve.kind,
        "pareto_score": payload.best_score,
        "best_prompt": best,
        "sections": best.sections,
        "messages": payload.best_prompt_messages,
    }))
}

fn results(outcome: &Outcome, curve: &Curve) -> String {
    let mut text = format!("Job ID: {}\nStatus: {}\n", outcome.job_id, outcome.status);
    for (name, score) in [
        ("Baseline Score", curve.baseline),
        ("Best Score", curve.best),
    ] {
        if let Some(score) = score {
            let _ = writeln!(text, "{name}: {score:.6}");
        }
    }
    let _ = writeln!(
        text,
        "Scores: {}\nTotal Rollouts: {}",
        curve.kind,
        outcome.rollouts()
    );
    if let Some(reason) = &outcome.reason {
        let _ = writeln!(text, "Reason: {reason}");
    }
    let last = outcome.history.last.as_ref();
    for message in last.map_or(&[][..], |last| &last.payload.best_prompt_messages) {
        let _ = writeln!(text, "\n[{}]\n{}", message.role, message.content);
    }
    text
}

fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    write(path, &serde_json::to_vec_pretty(value)?)
}

/// Writes a file so that a process that watches the folder finds the whole file or none.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("part");
    std::fs::write(&unfinished, content)?;
    std::fs::rename(&unfinished, path)
}
