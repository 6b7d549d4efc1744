//! Tables of finished runs, against the first policy of the list, world by world.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use gepa_statistics::mean_interval;

use crate::run::{Cell, Row};

/// A task of a seed in which all policies are compared.
type Place = (String, u64);

/// The mean of paired differences in percentage points, and how often each side is ahead.
struct Paired {
    places: usize,
    /// Mean, low, high.
    difference: Option<(f64, f64, f64)>,
    won: f64,
    lost: f64,
}

/// Writes, for every number of pareto examples and budget, a line per policy.
pub(crate) fn write(
    out: &mut impl Write,
    rows: &[Row],
    policies: &[String],
    tasks: &BTreeSet<String>,
) -> io::Result<()> {
    let rows: Vec<&Row> = rows
        .iter()
        .filter(|row| tasks.contains(&row.cell.task))
        .collect();
    let sizes: BTreeSet<(usize, u64)> = rows.iter().map(|row| size(&row.cell)).collect();
    writeln!(
        out,
        "| V | rollouts | policy | worlds | true score | minus `{}`, 95 % | won / lost | reported minus true | rollouts used | accepted | reflections | tokens |",
        policies[0]
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|---|")?;
    for wanted in sizes {
        for policy in policies {
            let of = |name: &str| -> BTreeMap<Place, &Row> {
                let rows = rows.iter().filter(|row| size(&row.cell) == wanted);
                let rows = rows.filter(|row| row.cell.policy == name);
                rows.map(|row| (place(&row.cell), *row)).collect()
            };
            let (own, base) = (of(policy), of(&policies[0]));
            if own.is_empty() {
                continue;
            }
            let paired = paired(&own, &base);
            let mean = |value: fn(&Row) -> f64| {
                own.values().map(|row| value(row)).sum::<f64>() / own.len() as f64
            };
            writeln!(
                out,
                "| {} | {} | {policy} | {} | {:.1} | {} | {:+.1} | {:.0} | {:.1} | {:.0} | {:.0} |",
                wanted.0,
                wanted.1,
                paired.places,
                100.0 * mean(|row| row.truth),
                if policy == &policies[0] {
                    "| ".to_owned()
                } else {
                    cells(&paired)
                },
                100.0 * mean(|row| row.reported - row.truth),
                mean(|row| row.rollouts as f64),
                mean(|row| row.accepted as f64),
                mean(|row| row.reflections as f64),
                mean(|row| row.tokens as f64),
            )?;
        }
    }
    Ok(())
}

/// Writes, for every task, the differences of one policy, a column per size.
pub(crate) fn write_by_task(
    out: &mut impl Write,
    rows: &[Row],
    policy: &str,
    base: &str,
) -> io::Result<()> {
    let own: Vec<&Row> = rows
        .iter()
        .filter(|row| row.cell.policy == policy)
        .collect();
    let sizes: BTreeSet<(usize, u64)> = own.iter().map(|row| size(&row.cell)).collect();
    let tasks: BTreeSet<&str> = own.iter().map(|row| row.cell.task.as_str()).collect();
    let heads: Vec<String> = sizes.iter().map(|(v, b)| format!("V={v}, {b}")).collect();
    writeln!(out, "\n`{policy}` minus `{base}`, task by task:\n")?;
    writeln!(out, "| task | seed | {} | all |", heads.join(" | "))?;
    writeln!(out, "|---{}|", "|---".repeat(sizes.len() + 2))?;
    for task in tasks {
        let of = |name: &str, wanted: Option<(usize, u64)>| -> BTreeMap<Place, &Row> {
            let rows = rows
                .iter()
                .filter(|row| row.cell.task == task && row.cell.policy == name);
            let rows = rows.filter(|row| wanted.is_none_or(|wanted| size(&row.cell) == wanted));
            let named = rows.map(|row| {
                let (v, budget) = size(&row.cell);
                ((format!("{task} {v} {budget}"), row.cell.seed), row)
            });
            named.collect()
        };
        let seeds: Vec<f64> = of(policy, None)
            .values()
            .map(|row| row.seed_truth)
            .collect();
        let seed = 100.0 * seeds.iter().sum::<f64>() / seeds.len().max(1) as f64;
        let columns = sizes.iter().map(|size| Some(*size)).chain([None]);
        let columns: Vec<String> = columns
            .map(|wanted| paired(&of(policy, wanted), &of(base, wanted)).text())
            .collect();
        writeln!(out, "| {task} | {seed:.0} | {} |", columns.join(" | "))?;
    }
    Ok(())
}

fn paired<'r>(own: &BTreeMap<Place, &'r Row>, base: &BTreeMap<Place, &'r Row>) -> Paired {
    let pairs = own.iter().filter_map(|(place, row)| {
        let other = base.get(place)?;
        Some(100.0 * (row.truth - other.truth))
    });
    let differences: Vec<f64> = pairs.collect();
    let share = |count: usize| count as f64 / differences.len().max(1) as f64;
    let interval = mean_interval(&differences, 0.95);
    Paired {
        places: own.len(),
        difference: interval.map(|found| (found.mean, found.low, found.high)),
        won: share(differences.iter().filter(|d| **d > 0.0).count()),
        lost: share(differences.iter().filter(|d| **d < 0.0).count()),
    }
}

impl Paired {
    fn text(&self) -> String {
        match self.difference {
            Some((mean, low, high)) => format!("{mean:+.1} [{low:+.1}, {high:+.1}]"),
            None => String::new(),
        }
    }
}

fn cells(paired: &Paired) -> String {
    format!("{} | {:.2} / {:.2}", paired.text(), paired.won, paired.lost)
}

fn size(cell: &Cell) -> (usize, u64) {
    (cell.pareto, cell.budget)
}

fn place(cell: &Cell) -> Place {
    (cell.task.clone(), cell.seed)
}
