//! The arguments of `gepa eval`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::number::finite;
use super::store::StoreArguments;

pub(super) const EVAL_NOTES: &str = "\
Scores one prompt, or one prompt with several models, without a search. Examples are run in blocks
that double, in a fixed order, for all sides alike. The evaluation ends as soon as the question is
decided, by a test that allows for looking after every block; with `--all` it runs every example.

The sides are compared with `--against`: the best prompt of a run, or a prompt in a file. Without it
the seed of the config is the baseline if `--prompt` is given, otherwise the first of several models.

Outcomes are stored as runs without proposals. Later evaluations and runs of the same task in the
same store know them and do not buy them again; `--fresh` buys them again.

The exit code is 7 if a side scores below `--fail-below`, or is worse with `--fail-if-worse`.";

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// The config file
    #[arg(value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// Set a key of the configuration, for example `--set policy.max_tokens=500`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// A file with the text of the component, or a JSON object with a text for each component; by
    /// default the seed of the config
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    /// The policy model, as `PROVIDER/MODEL`; several are compared
    #[arg(long = "model", value_name = "PROVIDER/MODEL")]
    pub(crate) models: Vec<String>,
    /// The baseline: a run, whose best prompt it is, or a file with a prompt
    #[arg(long, value_name = "RUN|FILE")]
    pub(crate) against: Option<String>,
    /// The set whose examples are run
    #[arg(long, value_name = "SET", default_value = "validation")]
    pub(crate) examples: EvalSet,
    /// Exit with 7 if a mean score is below this
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = finite)]
    pub(crate) fail_below: Option<f64>,
    /// Exit with 7 if a side is shown to be worse than the baseline
    #[arg(long)]
    pub(crate) fail_if_worse: bool,
    /// One minus the risk of a wrong claim
    #[arg(long, value_name = "C", default_value = "0.95")]
    pub(crate) confidence: f64,
    /// Run every example, even if the question is decided
    #[arg(long)]
    pub(crate) all: bool,
    /// Execute rollouts again whose outcomes are known
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Write the comparison as JSON; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a comment for a pull request; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Write a `JUnit` file, one test case for each side
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EvalSet {
    /// The held-out examples; the pareto set if there are none
    Validation,
    /// The pareto set
    Pareto,
    /// The training examples
    Train,
}
