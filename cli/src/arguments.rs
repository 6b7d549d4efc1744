//! The arguments of `gepa`.

mod ablate;
mod candidates;
mod eval;
mod export;
mod gate;
mod init;
mod number;
mod pages;
mod run;
mod runs;
mod show;
mod steer;
mod store;
mod sweep;
mod train;
#[cfg(feature = "queue")]
mod worker;

use clap::{Parser, Subcommand};

use ablate::ABLATE_NOTES;
use eval::EVAL_NOTES;
use gate::GATE_NOTES;
use init::{COMPLETIONS_NOTES, INIT_NOTES};
use pages::{OPEN_NOTES, SERVE_NOTES};
use run::{BRANCH_NOTES, REPLAY_NOTES, RUN_NOTES};
use runs::RUNS_NOTES;
use steer::STEER_NOTES;
use sweep::SWEEP_NOTES;
use train::TRAIN_NOTES;
#[cfg(feature = "queue")]
use worker::WORKER_NOTES;

pub(crate) use ablate::AblateArguments;
pub(crate) use candidates::{
    BestArguments, BlameArguments, ChangedKind, CompareArguments, DiffArguments, PromptForm,
};
pub(crate) use eval::{EvalArguments, EvalSet};
pub(crate) use export::{ExportArguments, ExportForm, ExportKind, ExportOrder};
pub(crate) use gate::GateArguments;
pub(crate) use init::{CompletionsArguments, InitArguments, Language, ManArguments, TaskKind};
pub(crate) use pages::{OpenArguments, ReportArguments, ServeArguments};
pub(crate) use run::{
    BranchArguments, CheckArguments, LogForm, ReplayArguments, RunArguments, Watching,
};
pub(crate) use runs::{Deletion, RunFilter, RunsAct, RunsArguments};
pub(crate) use show::ShowArguments;
pub(crate) use steer::{Act, EditArguments, ExtendArguments, InjectArguments, SteerArguments};
pub(crate) use store::{
    CopyArguments, DoctorArguments, RunReference, StoreArguments, StoreCommand,
};
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
