//! The arguments of `gepa sweep`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::store::StoreArguments;

pub(super) const SWEEP_NOTES: &str = "\
The file names a config, seeds, and settings; each setting is run with each seed:

  config = \"config.toml\"         # beside the sweep file
  name = \"parents\"
  seeds = [1, 2, 3]              # `run.seed` of the runs
  parallel = 2                   # runs at once, also `--parallel`

  [budget]                       # over all runs, in equal shares; each key may be left out
  max_rollouts = 20000
  max_tokens = 5000000
  max_cost_usd = 10.0

  [grid]                         # every combination of these values
  \"search.parent\" = [\"pareto\", \"current_best\"]
  \"reflection.hypotheses\" = [1, 3]

  [[list]]                       # and these settings; an empty one is the config as it is
  \"search.parent\" = \"epsilon_greedy\"

All configs are checked before anything runs. The command can be repeated: runs that are over are not run again, and
those that were interrupted go on. The table at the end compares each setting with the first one, over the seeds that
both have.";

#[derive(Debug, Args)]
pub(crate) struct SweepArguments {
    /// The file that describes the runs
    #[arg(value_name = "SWEEP")]
    pub(crate) file: PathBuf,
    /// Runs at once; each of them has `run.max_concurrent` rollouts in flight
    #[arg(long, value_name = "N")]
    pub(crate) parallel: Option<NonZeroUsize>,
    /// Check everything, print what would be run, and run nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Write the comparison of all runs as one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the table as JSON; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
