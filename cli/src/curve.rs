//! The improvement curve: the best pareto score against the rollouts it took.

use std::io::{self, Write};

use gepa_engine::record::SnapshotRow;

use crate::format::{count, score};

const BAR: usize = 40;

/// One rise of the best score.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    rollouts: u64,
    best: f64,
}

/// Writes a line for each rise of the best score.
pub(crate) fn write_curve(out: &mut dyn Write, snapshots: &[SnapshotRow]) -> io::Result<()> {
    let steps = steps(snapshots);
    let Some(last) = steps.last() else {
        return writeln!(out, "\nimprovement: no candidate has a pareto score yet");
    };
    writeln!(out, "\nimprovement (rollouts, best mean pareto score)")?;
    let lowest = steps
        .iter()
        .map(|step| step.best)
        .fold(last.best, f64::min)
        .min(0.0);
    let highest = last.best.max(lowest + f64::EPSILON);
    for step in &steps {
        let share = (step.best - lowest) / (highest - lowest);
        let bar = "#".repeat((share * BAR as f64).round() as usize);
        writeln!(
            out,
            "  {:>9}  {:>7}  {bar}",
            count(step.rollouts),
            score(step.best)
        )?;
    }
    Ok(())
}

/// Each candidate that became the best one has a snapshot with its score of that time. Its row may have grown since.
fn steps(snapshots: &[SnapshotRow]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for snapshot in snapshots.iter().filter(|row| row.subject == row.best) {
        let (rollouts, best) = (snapshot.counters.total_rollouts, snapshot.score);
        if steps.last().is_none_or(|step| best > step.best) {
            steps.push(Step { rollouts, best });
        }
    }
    steps
}
