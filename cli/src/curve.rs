//! The improvement curve: the best pareto score against the rollouts it took.

use std::io::{self, Write};

use gepa_engine::record::{CandidateRow, SnapshotRow};

use crate::format::{count, score};

const BAR: usize = 40;

/// One rise of the best score.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    rollouts: u64,
    best: f64,
}

/// Writes a line for each rise of the best score.
pub(crate) fn write_curve(
    out: &mut dyn Write,
    snapshots: &[SnapshotRow],
    candidates: &[CandidateRow],
) -> io::Result<()> {
    let steps = steps(snapshots, candidates);
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

fn steps(snapshots: &[SnapshotRow], candidates: &[CandidateRow]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for snapshot in snapshots {
        let best = candidates
            .iter()
            .find(|row| row.index == Some(snapshot.best));
        let Some(best) = best.and_then(|row| row.mean_score) else {
            continue;
        };
        if steps.last().is_none_or(|step| best > step.best) {
            let rollouts = snapshot.counters.total_rollouts;
            steps.push(Step { rollouts, best });
        }
    }
    steps
}
