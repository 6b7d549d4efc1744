//! The arguments of `gepa`.

mod ablate;
mod eval;
mod export;
mod gate;
mod init;
mod runs;
mod show;
mod steer;
mod sweep;
mod train;
#[cfg(feature = "queue")]
mod worker;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use ablate::ABLATE_NOTES;
use eval::EVAL_NOTES;
use gate::GATE_NOTES;
use init::{COMPLETIONS_NOTES, INIT_NOTES};
use runs::RUNS_NOTES;
use steer::STEER_NOTES;
use sweep::SWEEP_NOTES;
use train::TRAIN_NOTES;
#[cfg(feature = "queue")]
use worker::WORKER_NOTES;

pub(crate) use ablate::AblateArguments;
pub(crate) use eval::{EvalArguments, EvalSet};
pub(crate) use export::{CandidateOrder, ExportArguments, ExportForm, ExportKind};
pub(crate) use gate::GateArguments;
pub(crate) use init::{CompletionsArguments, InitArguments, Language, ManArguments, TaskKind};
pub(crate) use runs::{Deletion, RunFilter, RunsAct, RunsArguments};
pub(crate) use show::ShowArguments;
pub(crate) use steer::{Act, EditArguments, ExtendArguments, InjectArguments, SteerArguments};
pub(crate) use sweep::SweepArguments;
pub(crate) use train::TrainArguments;
#[cfg(feature = "queue")]
pub(crate) use worker::WorkerArguments;

const EXIT_CODES: &str = "\
Exit codes:
  0    finished
  1    the store or the output failed, or `doctor` found a difference
  2    wrong usage or configuration
  4    the budget cannot afford one proposal
  5    too many evaluator failures, or no usable reply of the reflection model
  6    a provider is down; resume the run later
  7    `gate` and `eval`: the gain requested is not shown, or a limit is missed
  130  interrupted; the run can be resumed

Data goes to stdout, text for people to stderr. GEPA_STORE names the default store. GEPA_STORE and
all keys are read from the environment, then from `.env` in the current directory.
GEPA_LOG=info (or debug, trace, a filter) writes logs to stderr, GEPA_LOG_FORMAT=json as JSON.";

const RUN_NOTES: &str = "\
The first line on stdout is the run's id. With `--log json` each event is one JSON object per line
on stderr, as `gepa export --what events` writes it, and the last line on stdout is the object that
`gepa export --what stats` writes. Otherwise progress and a summary go to stderr.

With `--resume`, limits in `[budget]` may differ from the stored ones: `gepa run --resume RUN --set
budget.max_rollouts=5000` goes on with a run that is over. Keys that earlier decisions rest on may not.

The first Ctrl-C waits for the calls in flight, the second drops them. The run can be resumed after
either.";

const BRANCH_NOTES: &str = "\
The new run knows everything that the other one bought: no rollout of the shared iterations is executed, and no
later one of a candidate on an example that the other run has an outcome of. Its tokens and cost begin at 0;
`max_rollouts`, `max_reflection_calls`, `max_iterations` and `max_candidates` count the shared part as well.

Settings of the search, the reflection model, the seed of the draws and all limits can differ. The task cannot:
prompts, examples, evaluator, scorer, policy model. With `--config` the file's settings hold, without it those
of the other run, its latest limits included.

The first line on stdout is the new run's id.";

const REPLAY_NOTES: &str = "\
Without `--set` every recorded decision is made again and compared. The exit code is 2 if one
differs.

With `--set` two questions are answered from the run's journal. Along the recorded path: which
parents and gates the other settings would have chosen with the archive of the run. On a path of
its own: how far a run with the other settings would have come before it needed a rollout or a
reflection that is not recorded.";

const SERVE_NOTES: &str = "\
GEPA_API_KEY is the key that every request except /health must carry. Without a key the server
listens on loopback only. Its address is printed on stderr. A signal interrupts the jobs; a server
that is started again on the same store resumes them.

With a store of the form postgres://USER@HOST/DATABASE any number of servers on any number of machines
share its jobs. Each answers for all of them. When one dies, another takes its jobs up within 10 s.

With --queue workers execute the rollouts: `gepa worker --evaluator CONFIG --queue URL`, where CONFIG is the
config of the jobs. GEPA_QUEUE_USER and GEPA_QUEUE_PASSWORD, or GEPA_QUEUE_TOKEN, are the credentials.";

const COPY_NOTES: &str = "\
The source is not changed. A run that a process is working on is refused, and so is one whose id the
target has with another journal. A copy that was interrupted goes on where it stood when the command
is repeated. Keep `gepa serve` off the target meanwhile: it takes up jobs that have not ended.";

const OPEN_NOTES: &str = "\
The address goes to stdout. Only programs on this machine can reach it, and only with the token that it
contains. Nothing is run or resumed; a run that another process works on is shown as it goes on. Ctrl-C ends it.";

/// Evolves prompts against an evaluator, and accounts for every token it spent.
#[derive(Debug, Parser)]
#[command(name = "gepa", version, long_version = crate::version::LONG, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a config, an evaluator and example rows to begin with
    #[command(after_help = INIT_NOTES)]
    Init(InitArguments),
    /// Run a configuration, resume an interrupted run, or extend one that is over
    #[command(after_help = RUN_NOTES)]
    Run(RunArguments),
    /// Begin a new run where another one was at some iteration, with other settings
    #[command(after_help = BRANCH_NOTES)]
    Branch(BranchArguments),
    /// Check a configuration without running it
    Check(CheckArguments),
    /// List the runs in the store; tag, rename, archive or delete them
    #[command(after_help = RUNS_NOTES)]
    Runs(RunsArguments),
    /// Show the state or the result of a run
    Show(ShowArguments),
    /// Print only a run's best prompt
    Best(BestArguments),
    /// Compare two candidates of a run: texts, and examples won and lost
    Diff(DiffArguments),
    /// Score a prompt, or several models, without a search; paired with a baseline
    #[command(after_help = EVAL_NOTES)]
    Eval(Box<EvalArguments>),
    /// Decide whether a run's best prompt may replace the seed; exit 0 or 7
    #[command(after_help = GATE_NOTES)]
    Gate(GateArguments),
    /// Compare runs: figures, settings that differ, best candidates on the same held-out examples
    Compare(CompareArguments),
    /// Run several settings with several seeds, side by side, and compare them
    #[command(after_help = SWEEP_NOTES)]
    Sweep(SweepArguments),
    /// Write a run's data
    Export(ExportArguments),
    /// Show the runs of the store in the browser
    #[command(after_help = OPEN_NOTES)]
    Open(OpenArguments),
    /// Write a run as one HTML file that needs no network
    Report(ReportArguments),
    /// Show where each line of a prompt comes from: its iteration, the examples, the gate
    Blame(BlameArguments),
    /// Find the lines of a prompt that earn their tokens, and propose a shorter prompt
    #[command(after_help = ABLATE_NOTES)]
    Ablate(AblateArguments),
    /// Act on a run: inject a text, veto a candidate, give a hint, exclude an example, pause, extend
    #[command(after_help = STEER_NOTES)]
    Steer(SteerArguments),
    /// Serve the HTTP API and the pages: run submitted jobs, and show the runs of a store
    #[command(after_help = SERVE_NOTES)]
    Serve(ServeArguments),
    /// Check the store against its journals, and the environment
    Doctor(DoctorArguments),
    /// Move runs between stores
    #[command(subcommand)]
    Store(StoreCommand),
    /// Decide a run again from its journal, without any call; with `--set`, show what other
    /// settings would have chosen
    #[command(after_help = REPLAY_NOTES)]
    Replay(ReplayArguments),
    /// Run a prompt-learning job and write its result files, as job queues call it
    #[command(after_help = TRAIN_NOTES)]
    Train(Box<TrainArguments>),
    /// Execute rollouts of runs on other machines, which a queue hands over
    #[cfg(feature = "queue")]
    #[command(after_help = WORKER_NOTES)]
    Worker(WorkerArguments),
    /// Print the JSON schema of config files
    Schema,
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_NOTES)]
    Completions(CompletionsArguments),
    /// Write the man pages, one file a command
    Man(ManArguments),
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy runs with their whole journals to another store, and compare what arrived
    #[command(after_help = COPY_NOTES)]
    Copy(CopyArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// The store to read, such as `sqlite://.gepa/gepa.db`
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The store to write, such as `postgres://USER@HOST/DATABASE`; created if there is none
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    /// The runs to copy: ids, their beginnings or ends; all runs by default
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// The store of the runs; by default `GEPA_STORE`, otherwise `sqlite://.gepa/gepa.db`.
    /// Also `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

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
pub(crate) struct RunReference {
    /// The run: an id, its beginning or end, or `latest`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

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
pub(crate) struct ServeArguments {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Jobs that run at a time; further jobs wait in a queue
    #[arg(long, value_name = "N", default_value = "4")]
    pub(crate) max_jobs: NonZeroUsize,
    /// Minutes a job waits for a provider or task app that is down before it fails
    #[arg(long, value_name = "M", default_value = "30")]
    pub(crate) outage_minutes: u64,
    /// A file of keys with roles and tenants; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Let workers execute the rollouts of all jobs; they take them from this NATS server
    #[cfg(feature = "queue")]
    #[arg(long, value_name = "URL")]
    pub(crate) queue: Option<String>,
    /// Share the limits of providers' keys with all processes that name this NATS server
    #[cfg(feature = "queue")]
    #[arg(long, value_name = "URL")]
    pub(crate) limits: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// The run to show first: an id, the beginning of one, or `latest`; by default the list of runs
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// The port on 127.0.0.1; 0 takes a free port
    #[arg(long, value_name = "PORT", default_value = "0")]
    pub(crate) port: u16,
    /// Print the address and start no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// The file to write; by default stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
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

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Only this run: an id, its beginning or end, or `latest`
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
    /// Rewrite tables that differ from the journal
    #[arg(long)]
    pub(crate) repair: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    #[command(flatten)]
    pub(crate) run: RunReference,
    /// Show what another setting would have chosen, for example `--set search.parent=current_best`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
