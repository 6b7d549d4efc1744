//! The moments of the calibrated families beside those of recorded runs.

use std::io::{self, Write};
use std::sync::Arc;

use gepa_bench::worlds::{Conditions, Family, Moments, RunFigures, Search, World};
use rayon::prelude::*;
use tokio::runtime::Builder;

use crate::settings::Policy;
use crate::tasks::TRAIN;

/// The pareto set and the budget on which worlds are compared with recorded runs.
const PARETO: usize = 300;
const ROLLOUTS: u64 = 5_000;

/// Writes a line for each family.
pub(crate) fn write(
    out: &mut impl Write,
    families: &[Family],
    seeds: u64,
    policies: &[Policy],
) -> Result<(), String> {
    let named = |name: &str| policies.iter().find(|policy| policy.name == name);
    let (Some(full), Some(greedy)) = (named("full"), named("full, greedy")) else {
        return Err("policies.txt lacks `full` or `full, greedy`".to_owned());
    };
    head(out).map_err(|error| error.to_string())?;
    for family in families {
        let runs = all(*family, seeds, full)?;
        let others = all(*family, seeds, greedy)?;
        line(out, *family, &runs, &others).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn all(family: Family, seeds: u64, policy: &Policy) -> Result<Vec<RunFigures>, String> {
    let seeds: Vec<u64> = (0..seeds).collect();
    let runs = seeds.into_par_iter().map(|seed| {
        let world = Arc::new(World::new(family, seed));
        let search = Search {
            world: Arc::clone(&world),
            conditions: Conditions::default(),
            settings: policy.settings(seed, ROLLOUTS)?,
            train: TRAIN,
            pareto: PARETO,
            validation: 0,
        };
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let searched = runtime.block_on(search.finish());
        let searched = searched.map_err(|error| error.to_string())?;
        Ok(RunFigures::of(&world, &searched))
    });
    runs.collect()
}

fn head(out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "| family | accepted | better / tie / worse | delta 5/25/50/75/95 | worst | kurtosis | better | seed's / others' | slope | half gain | phi | discordant | seed | best | optimism | pareto minus greedy |\n|---{}|",
        "|---".repeat(15)
    )
}

fn line(
    out: &mut impl Write,
    family: Family,
    runs: &[RunFigures],
    greedy: &[RunFigures],
) -> io::Result<()> {
    let found = Moments::of(runs);
    let quantiles = found
        .quantiles
        .map(|q| format!("{:+.1}", 100.0 * q))
        .join(" ");
    let gates = found.gates.map(|share| format!("{share:.2}")).join(" / ");
    let pairs = runs.iter().zip(greedy);
    let differences: Vec<f64> = pairs
        .map(|(one, other)| 100.0 * (one.best_test - other.best_test))
        .collect();
    let greedy = gepa_statistics::mean_interval(&differences, 0.95)
        .map_or(String::new(), |found| {
            format!("{:+.1} [{:+.1}, {:+.1}]", found.mean, found.low, found.high)
        });
    writeln!(
        out,
        "| {family} | {:.2} | {gates} | {quantiles} | {:+.0} | {:.1} | {:.2} | {:+.1} / {:+.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {:+.1} | {greedy} |",
        found.accepted,
        100.0 * found.worst,
        found.kurtosis,
        found.better,
        100.0 * found.of_seed,
        100.0 * found.of_others,
        found.slope,
        found.half_gain,
        found.phi,
        found.discordant,
        100.0 * found.seed,
        100.0 * found.best,
        100.0 * found.optimism,
    )?;
    out.flush()
}
