//! The arguments of `gepa show`.

use clap::Args;

use super::store::RunReference;

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    #[command(flatten)]
    pub(crate) part: ShownPart,
}

/// The part of the run that is shown; by default its state or result.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct ShownPart {
    /// The config, as a file that `gepa run` takes
    #[arg(long)]
    pub(crate) config: bool,
    /// A table of all candidates tried
    #[arg(long)]
    pub(crate) candidates: bool,
    /// How the candidates descend from the seed, as a tree
    #[arg(long)]
    pub(crate) lineage: bool,
    /// One rollout: the number of its event, or its trial and example as `TRIAL:EXAMPLE`
    #[arg(long, value_name = "ID")]
    pub(crate) rollout: Option<String>,
    /// The calls of the reflection model in this iteration
    #[arg(long, value_name = "ITERATION")]
    pub(crate) reflection: Option<u64>,
}
