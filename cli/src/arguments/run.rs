//! The arguments of the commands that begin runs, go on with them or decide them again: `gepa run`, `gepa branch`,
//! `gepa check`, `gepa replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::store::{RunReference, StoreArguments};

pub(super) const RUN_NOTES: &str = "\
The first line on stdout is the run's id. With `--log json` each event is one JSON object per line
on stderr, as `gepa export --what events` writes it, and the last line on stdout is the object that
`gepa export --what stats` writes. Otherwise progress and a summary go to stderr.

With `--resume`, limits in `[budget]` may differ from the stored ones: `gepa run --resume RUN --set
budget.max_rollouts=5000` goes on with a run that is over. Keys that earlier decisions rest on may not.

The first Ctrl-C waits for the calls in flight, the second drops them. The run can be resumed after
either.";

pub(super) const BRANCH_NOTES: &str = "\
The new run knows everything that the other one bought: no rollout of the shared iterations is executed, and no
later one of a candidate on an example that the other run has an outcome of. Its tokens and cost begin at 0;
`max_rollouts`, `max_reflection_calls`, `max_iterations` and `max_candidates` count the shared part as well.

Settings of the search, the reflection model, the seed of the draws and all limits can differ. The task cannot:
prompts, examples, evaluator, scorer, policy model. With `--config` the file's settings hold, without it those
of the other run, its latest limits included.

The first line on stdout is the new run's id.";

pub(super) const REPLAY_NOTES: &str = "\
Without `--set` every recorded decision is made again and compared. The exit code is 2 if one
differs.

With `--set` two questions are answered from the run's journal. Along the recorded path: which
parents and gates the other settings would have chosen with the archive of the run. On a path of
its own: how far a run with the other settings would have come before it needed a rollout or a
reflection that is not recorded.";

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The config file; may be left out with `--resume`
    #[arg(value_name = "CONFIG", required_unless_present = "resume")]
    pub(crate) config: Option<PathBuf>,
    /// Set a key of the configuration, for example `--set budget.max_rollouts=500`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Resume this run: an id, its beginning or end, or `latest`
    #[arg(long, value_name = "RUN")]
    pub(crate) resume: Option<String>,
    /// Show what the run can cost, with `--resume` what it can still cost, and spend nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Show what evaluators and other programs write on stderr
    #[arg(long = "verbose")]
    pub(crate) is_verbose: bool,
    /// Keep what evaluators and other programs write on stderr, and warnings, in `logs/RUN.log` beside
    /// the store; 8 MiB at most
    #[arg(long = "keep-log")]
    pub(crate) keeps_log: bool,
    /// How progress is reported on stderr
    #[arg(long, value_name = "FORM", default_value = "human")]
    pub(crate) log: LogForm,
}

#[derive(Debug, Args)]
pub(crate) struct BranchArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// The last iteration that both runs share; by default the last one of the run
    #[arg(long, value_name = "ITERATION")]
    pub(crate) at: Option<u64>,
    /// Set a key of the configuration, for example `--set search.parent=current_best`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// A config file whose settings hold from there on, instead of the run's own
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How progress is reported on stderr
    #[arg(long, value_name = "FORM", default_value = "human")]
    pub(crate) log: LogForm,
}

/// How a run is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watching<'a> {
    /// The store, as typed.
    pub(crate) store: &'a StoreArguments,
    pub(crate) log: LogForm,
}

impl<'a> From<&'a RunArguments> for Watching<'a> {
    fn from(arguments: &'a RunArguments) -> Self {
        Self {
            store: &arguments.store,
            log: arguments.log,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// On a terminal a block that is redrawn, otherwise a line for each important event
    Human,
    /// One JSON object per event
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The config file
    #[arg(value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// Set a key of the configuration, for example `--set budget.max_rollouts=500`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Do not start the programs of the config. Otherwise each is started, must say hello, and is ended
    #[arg(long)]
    pub(crate) no_programs: bool,
    /// Run one example of the seed for real, and show its score, output and feedback
    #[arg(long = "try")]
    pub(crate) tries_one: bool,
    /// Ask providers and the task app whether they are there and take the keys; costs nothing
    #[arg(long)]
    pub(crate) online: bool,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// Show what another setting would have chosen, for example `--set search.parent=current_best`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}
