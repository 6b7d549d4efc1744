//! Prints the table.

use gepa_testing::{Overload, Period, PeriodBooks};

use super::world::{Played, recovered_after};

/// A scenario with more periods than this is shown only as a sum.
const MOST_PERIODS: usize = 6;

pub(crate) fn header() {
    println!(
        "{:<24} {:<16} {:>7} {:>7} {:>6} {:>8} {:>7} {:>9} {:>10}  fairness",
        "scenario",
        "provider",
        "ours",
        "oracle",
        "ratio",
        "refused",
        "reset",
        "in flight",
        "recovered"
    );
}

pub(crate) fn rows(played: &Played) {
    let plan = &played.scenario.plan;
    let pairs: Vec<_> = played.ours.iter().zip(&played.best).collect();
    let shows_periods = (2..=MOST_PERIODS).contains(&pairs.len());
    for ((ours, best), period) in pairs.iter().zip(&plan.periods).filter(|_| shows_periods) {
        let recovered = recovered_after(ours, best).filter(|_| period.concurrent > 0);
        let recovered = recovered.map_or("-".to_owned(), |after| {
            format!("{:.2} s", after.as_secs_f64())
        });
        let in_flight = ours.busy_seconds / period.lasts.as_secs_f64();
        row(
            "",
            &limits(period),
            &Sums::of([*ours]),
            &Sums::of([*best]),
            in_flight,
            &recovered,
            "",
        );
    }
    let ours = Sums::of(&played.ours);
    let in_flight = ours.busy_seconds / plan.lasts().as_secs_f64();
    let overload = match plan.overload {
        Overload::Queue => "queues".to_owned(),
        Overload::Refuse { status, .. } => format!("{} s, {status}", plan.lasts().as_secs()),
    };
    row(
        played.scenario.name,
        &overload,
        &ours,
        &Sums::of(&played.best),
        in_flight,
        "",
        &fairness(&played.by_run),
    );
}

#[derive(Default)]
struct Sums {
    served: u64,
    refused: u64,
    reset: u64,
    busy_seconds: f64,
}

impl Sums {
    fn of<'a>(books: impl IntoIterator<Item = &'a PeriodBooks>) -> Self {
        let mut sums = Self::default();
        for period in books {
            sums.served += period.served;
            sums.refused += period.refused;
            sums.reset += period.reset;
            sums.busy_seconds += period.busy_seconds;
        }
        sums
    }
}

fn row(
    name: &str,
    provider: &str,
    ours: &Sums,
    best: &Sums,
    in_flight: f64,
    recovered: &str,
    fairness: &str,
) {
    let ratio = ours.served as f64 / best.served.max(1) as f64;
    let sent = (ours.served + ours.refused + ours.reset).max(1);
    let refused = 100.0 * ours.refused as f64 / sent as f64;
    println!(
        "{name:<24} {provider:<16} {:>7} {:>7} {ratio:>6.3} {refused:>7.2}% {:>7} {in_flight:>9.1} {recovered:>10}  {fairness}",
        ours.served, best.served, ours.reset
    );
}

fn limits(period: &Period) -> String {
    match (
        period.concurrent,
        period.requests_per_minute,
        period.tokens_per_minute,
    ) {
        (0, _, _) => "down".to_owned(),
        (_, Some(requests), _) => format!("{requests}/min"),
        (_, _, Some(tokens)) => format!("{tokens} tok/min"),
        (calls, _, _) => format!("{calls} at once"),
    }
}

/// Jain's index, which is 1 if all runs got equal shares, and the least served run divided by the
/// most served.
fn fairness(by_run: &[u64]) -> String {
    let [least, most] =
        [by_run.iter().min(), by_run.iter().max()].map(|count| *count.unwrap_or(&0));
    if by_run.len() < 2 {
        return String::new();
    }
    let sum: f64 = by_run.iter().map(|count| *count as f64).sum();
    let squares: f64 = by_run.iter().map(|count| (*count as f64).powi(2)).sum();
    let jain = sum * sum / (by_run.len() as f64 * squares);
    format!(
        "Jain {jain:.4}, least/most {:.3}",
        least as f64 / most.max(1) as f64
    )
}
