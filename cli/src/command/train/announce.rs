//! Prints a job's id, progress and end on standard output, in the form that job queues parse.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use gepa_jobs::train::{Outcome, Written};
use serde_json::json;

use crate::error::CommandError;
use crate::output::people;

/// Shortest time between two lines of progress.
const PACE: Duration = Duration::from_secs(1);

/// The progress of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Progress {
    pub(super) completed: u64,
    /// The rollout budget, if there is one.
    pub(super) total: Option<u64>,
    pub(super) trials: u64,
    pub(super) best_score: Option<f64>,
    pub(super) eta_seconds: Option<f64>,
}

/// Prints a job's progress.
#[derive(Debug)]
pub(super) struct Announcer {
    began: Instant,
    told: Option<(Instant, u64)>,
}

impl Announcer {
    /// Prints the job's id in the form that job queues look for.
    pub(super) fn begin(job_id: &str) -> io::Result<Self> {
        say(&format!("\"job_id\": \"{job_id}\"\n"))?;
        Ok(Self {
            began: Instant::now(),
            told: None,
        })
    }

    /// Prints progress if a rollout has ended since the last line and [`PACE`] has passed. Prints
    /// nothing before the first rollout, since queues read a zero as an error.
    pub(super) fn tell(&mut self, progress: &Progress) -> io::Result<()> {
        let is_news = match self.told {
            None => true,
            Some((at, completed)) => completed != progress.completed && at.elapsed() >= PACE,
        };
        if progress.completed == 0 || !is_news {
            return Ok(());
        }
        self.told = Some((Instant::now(), progress.completed));
        let total = progress
            .total
            .unwrap_or(progress.completed)
            .max(progress.completed);
        self.write(progress, total)
    }

    /// Prints the final progress.
    pub(super) fn end(&mut self, progress: &Progress) -> io::Result<()> {
        if progress.completed == 0 {
            return Ok(());
        }
        let over = Progress {
            eta_seconds: Some(0.0),
            ..*progress
        };
        self.write(&over, progress.completed)
    }

    fn write(&self, progress: &Progress, total: u64) -> io::Result<()> {
        let completed = progress.completed;
        let percent = completed * 100 / total.max(1);
        let elapsed = self.began.elapsed().as_secs();
        let eta = progress
            .eta_seconds
            .map(|eta| format!(" eta={}s", eta.max(0.0).round()));
        let eta = eta.unwrap_or_default();
        let mut data = json!({
            "rollouts_completed": completed,
            "rollouts_total": total,
            "trials_completed": progress.trials,
        });
        if let Some(best) = progress
            .best_score
            .filter(|best| (0.0..=1.0).contains(best))
        {
            data["best_score"] = json!(best);
        }
        let event = json!({"type": "prompt.learning.progress", "data": data});
        say(&format!(
            "Progress: rollouts={completed}/{total} ({percent}%) elapsed={elapsed}s{eta}\n{event}\n"
        ))
    }
}

/// Prints the result of a job.
pub(super) fn announce_end(outcome: &Outcome, written: &Written) -> Result<(), CommandError> {
    let mut text = format!("Status: {}\n", outcome.status);
    let curve = &written.curve;
    for (name, score) in [
        ("Baseline score", curve.baseline),
        ("Best score", curve.best),
    ] {
        if let Some(score) = score {
            let _ = writeln!(text, "{name}: {score:.4}");
        }
    }
    let _ = writeln!(text, "Results: {}", written.folder.display());
    Ok(say(&text)?)
}

/// Writes to stdout. If the reader has closed it, the job continues.
fn say(text: &str) -> io::Result<()> {
    let mut out = people();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
