//! The arguments of `gepa steer`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::number::finite;
use super::store::RunReference;

pub(super) const STEER_NOTES: &str = "\
Each act is an entry in the journal of the run, with who did it, when and why. A run that a process of this machine
works on (`gepa run`, `gepa serve`) takes it in at once; a run that no process works on, when it is resumed. With
`--server` a server is asked, which may be another machine; GEPA_API_KEY is its key then.

`gepa branch` begins a new run from a candidate or an iteration of another one.";

#[derive(Debug, Args)]
pub(crate) struct SteerArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    #[command(subcommand)]
    pub(crate) act: Act,
    /// Why, for those who read the journal
    #[arg(long, value_name = "TEXT", global = true, default_value = "")]
    pub(crate) why: String,
    /// Who acts; by default the name of the user on this machine
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) who: Option<String>,
    /// The server that runs the run, for example `http://127.0.0.1:8000`
    #[arg(long, value_name = "URL", global = true)]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Act {
    /// Try a text: first against the best candidate on a minibatch, then on the pareto set
    Inject(InjectArguments),
    /// Edit the best text in `$EDITOR` and try it
    Edit(EditArguments),
    /// A candidate may be neither a parent nor the winner from now on
    Veto {
        /// Its index in the archive
        #[arg(value_name = "CANDIDATE")]
        candidate: u32,
    },
    /// Give the reflection model a text that it uses from the next proposal on
    Hint {
        /// The text, which replaces the one before it; empty to take that away
        #[arg(value_name = "TEXT")]
        text: String,
    },
    /// An example counts no longer, because its label is wrong for instance
    Exclude {
        /// The example, as `gepa export` names it
        #[arg(value_name = "EXAMPLE")]
        example: String,
    },
    /// Start nothing further for now
    Pause,
    /// End a pause
    Resume,
    /// End the search early, then score the best candidates on the held-out examples
    Stop,
    /// Set other limits; a run that is over goes on when it is resumed
    Extend(ExtendArguments),
}

#[derive(Debug, Args)]
pub(crate) struct InjectArguments {
    /// The file with the text; `-` for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The component that the text replaces; needed if the run has several
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// The candidate that it is compared with, and from which the other components come; by default
    /// the best one
    #[arg(long, value_name = "CANDIDATE")]
    pub(crate) parent: Option<u32>,
    /// Skip the minibatch and score it on the pareto set
    #[arg(long)]
    pub(crate) straight: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// The component to edit; needed if the run has several
    #[arg(long, value_name = "NAME")]
    pub(crate) component: Option<String>,
    /// Skip the minibatch and score it on the pareto set
    #[arg(long)]
    pub(crate) straight: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the options"
)]
pub(crate) struct ExtendArguments {
    /// Rollouts of the whole run
    #[arg(long, value_name = "N")]
    pub(crate) max_rollouts: Option<u64>,
    /// Calls of the reflection model
    #[arg(long, value_name = "N")]
    pub(crate) max_reflection_calls: Option<u64>,
    /// Tokens of all models
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// Known cost, in US dollars
    #[arg(long, value_name = "USD", value_parser = finite)]
    pub(crate) max_cost_usd: Option<f64>,
    /// Seconds of work
    #[arg(long, value_name = "S", value_parser = finite)]
    pub(crate) max_seconds: Option<f64>,
    /// Iterations
    #[arg(long, value_name = "N")]
    pub(crate) max_iterations: Option<u64>,
    /// Candidates in the archive
    #[arg(long, value_name = "N")]
    pub(crate) max_candidates: Option<u32>,
}
