//! The table.

use std::io::{self, Write};

use gepa_bench::worlds::{Family, RunFigures};

use crate::ways::{BATCHES, PARETO};

pub(crate) fn write_head(out: &mut impl Write, seeds: u64, rollouts: u64) -> io::Result<()> {
    writeln!(
        out,
        "{seeds} worlds a family, {rollouts} rollouts, {PARETO} pareto items, sequential, minibatch {}; \
         shares in %, scores and deltas in points",
        BATCHES[0]
    )?;
    writeln!(
        out,
        "\n| family | accept | accept b=8 | b=16 | better | accepted | delta | sd | phi | discordant \
         | seed | best | depth | test seed | test best | sd | test reachable \
         | test greedy | pareto minus greedy |"
    )?;
    writeln!(out, "|---{}|", "|---".repeat(18))
}

/// One line: `by_batch` in the order of [`BATCHES`].
pub(crate) fn write_family(
    out: &mut impl Write,
    family: Family,
    by_batch: &[Vec<RunFigures>],
    greedy: &[RunFigures],
) -> io::Result<()> {
    let accepts = by_batch.iter().map(|runs| {
        let accepted: usize = runs.iter().map(|run| run.accepted).sum();
        let reflections: usize = runs.iter().map(|run| run.reflections).sum();
        100.0 * accepted as f64 / reflections as f64
    });
    let accepts: Vec<String> = accepts.map(|share| format!("{share:.0}")).collect();
    let runs = &by_batch[0];
    let deltas: Vec<f64> = runs.iter().flat_map(|run| run.deltas.clone()).collect();
    let better = deltas.iter().filter(|delta| **delta > 0.0).count();
    let spreads = over(runs, |run| deviation(&run.deltas));
    let accepted = over(runs, |run| run.accepted as f64);
    let range = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        format!("{least:.0}..{most:.0}")
    };
    let points = |values: Vec<f64>| format!("{:.1}", 100.0 * mean(&values));
    let best_test = over(runs, |run| run.best_test);
    let cells = [
        family.to_string(),
        accepts.join(" | "),
        format!("{:.0}", 100.0 * better as f64 / deltas.len().max(1) as f64),
        format!("{:.0} ({})", mean(&accepted), range(&accepted)),
        format!("{:+.2}", 100.0 * mean(&deltas)),
        points(spreads),
        format!("{:.2}", mean(&over_all(runs, |run| &run.phi))),
        points(over_all(runs, |run| &run.discordant)),
        points(over(runs, |run| run.seed_score)),
        points(over(runs, |run| run.best_score)),
        format!("{:.1}", mean(&over(runs, |run| run.depth as f64))),
        points(over(runs, |run| run.seed_test)),
        points(best_test.clone()),
        format!("{:.1}", 100.0 * deviation(&best_test)),
        points(over(runs, |run| run.reachable_test)),
        points(over(greedy, |run| run.best_test)),
        difference(&best_test, &over(greedy, |run| run.best_test)),
    ];
    writeln!(out, "| {} |", cells.join(" | "))?;
    out.flush()
}

/// Mean difference in the same worlds, with half a 95 % interval.
fn difference(one: &[f64], other: &[f64]) -> String {
    let pairs: Vec<f64> = one.iter().zip(other).map(|(a, b)| a - b).collect();
    let error = deviation(&pairs) / (pairs.len() as f64).sqrt();
    format!("{:+.1} ± {:.1}", 100.0 * mean(&pairs), 196.0 * error)
}

fn over(runs: &[RunFigures], figure: impl Fn(&RunFigures) -> f64) -> Vec<f64> {
    runs.iter().map(figure).collect()
}

fn over_all(runs: &[RunFigures], figure: impl Fn(&RunFigures) -> &Vec<f64>) -> Vec<f64> {
    runs.iter().flat_map(|run| figure(run).clone()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample; 0 for a single value.
fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt()
}
