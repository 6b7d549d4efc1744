//! The arguments of `gepa gate`.

use std::path::PathBuf;

use clap::Args;

use super::number::finite;
use super::store::RunReference;

pub(super) const GATE_NOTES: &str = "\
The best candidate is compared with the seed on the held-out examples, or on the pareto set if none
were held out. The interval allows for the choice among candidates and for each further final scoring
of a run that was extended. With `--min-gain 0.02` the whole interval must lie above 0.02; with
`--min-gain=-0.02` a loss of more than 0.02 must be ruled out. The exit code is 0 if everything that
was requested is shown, otherwise 7.";

#[derive(Debug, Args)]
pub(crate) struct GateArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// The gain in mean score that must be shown; a negative one is a loss that must be ruled out
    #[arg(
        long,
        value_name = "X",
        default_value = "0",
        allow_negative_numbers = true,
        value_parser = finite
    )]
    pub(crate) min_gain: f64,
    /// One minus the risk of passing a prompt that does not have this gain
    #[arg(long, value_name = "C", default_value = "0.95")]
    pub(crate) confidence: f64,
    /// Examples that must not score lower: ids with commas, `COLUMN=VALUE`, or a word of the
    /// column `tag` or `tags`
    #[arg(long, value_name = "IDS|TAG")]
    pub(crate) no_regress: Vec<String>,
    /// Compare within each value of this column of the data set; none may be shown to be worse
    #[arg(long, value_name = "COLUMN")]
    pub(crate) per_slice: Option<String>,
    /// Write the decision with all figures and the journal's hash; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a `JUnit` file, one test case for each condition
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a comment for a pull request
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}
