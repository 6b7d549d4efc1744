//! The arguments of `gepa ablate`.

use std::path::PathBuf;

use clap::Args;

use super::number::finite;
use super::store::RunReference;

pub(super) const ABLATE_NOTES: &str = "\
Removes the lines of a prompt one at a time (the sentences, where a component has one line) and runs what is left on
the same examples, in blocks that double, until it is decided; the longest line comes first:

  earns       without it the prompt is worse
  not needed  without it the prompt is worse by less than the margin
  harms       without it the prompt is better
  undecided   the examples or the budget were used up before

The lines that are not needed or harm are then taken out together. If that is worse, they are taken out one after the
other, the longest first. The shorter prompt is checked as a whole on the held-out examples, against the full one,
and goes to stdout if it is not shown to be worse.

The race uses the pareto set and the training examples. Outcomes are stored as archived runs with the tag `ablation`;
later ablations, evaluations and runs know them. What was found is written into the journal of the run, where the page
of the candidate and reports show it.";

#[derive(Debug, Args)]
pub(crate) struct AblateArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// A candidate: `baseline`, `best`, an archive index, or the beginning of a candidate id
    #[arg(value_name = "CANDIDATE", default_value = "best")]
    pub(crate) candidate: String,
    /// The most rollouts that are executed; known outcomes do not count
    #[arg(long, value_name = "N")]
    pub(crate) max_rollouts: u64,
    /// The loss of mean score below which a line is not needed
    #[arg(long, value_name = "X", default_value = "0.05", value_parser = finite)]
    pub(crate) margin: f64,
    /// One minus the risk of a wrong claim about one line
    #[arg(long, value_name = "C", default_value = "0.95")]
    pub(crate) confidence: f64,
    /// Who asks for it, for the journal; the name of the user unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) who: Option<String>,
    /// Write the shorter prompt to this file, in the form that `gepa eval --prompt` reads
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write everything that was found as JSON; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}
