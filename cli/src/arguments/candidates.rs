//! The arguments of the commands that show candidates: `gepa best`, `gepa diff`, `gepa compare`, `gepa blame`.

use clap::{Args, ValueEnum};

use super::store::{RunReference, StoreArguments};

#[derive(Debug, Args)]
pub(crate) struct BestArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// The form of the prompt
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: PromptForm,
    /// Only the text of this component, without a heading
    #[arg(long, value_name = "NAME", conflicts_with = "format")]
    pub(crate) component: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PromptForm {
    /// The messages; if there are several, each under its role
    Text,
    /// One JSON object with components, messages and scores
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// A candidate: `baseline`, `best`, an archive index, or the beginning of a candidate id
    #[arg(value_name = "A")]
    pub(crate) before: String,
    /// The candidate to compare it with
    #[arg(value_name = "B")]
    pub(crate) after: String,
    /// Most examples that are listed of each set
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// List only examples of this kind
    #[arg(long, value_name = "KIND")]
    pub(crate) only: Option<ChangedKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangedKind {
    /// B scores higher
    Won,
    /// B scores lower
    Lost,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// The runs: ids, the beginnings of ids, or `latest`
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    pub(crate) runs: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct BlameArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// A candidate: `baseline`, `best`, an archive index, or the beginning of a candidate id
    #[arg(value_name = "CANDIDATE", default_value = "best")]
    pub(crate) candidate: String,
    /// The form of the answer
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: PromptForm,
}
