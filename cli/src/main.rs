//! The `gepa` binary: evolves prompts from the command line, and shows the results.

mod arguments;
mod candidates;
mod command;
mod curve;
mod error;
mod export;
mod feed;
mod fleet;
mod format;
mod logging;
mod output;
mod progress;
mod report;
mod run_log;
mod screen;
mod signals;
#[cfg(feature = "otel")]
mod spans;
mod surroundings;
mod version;
mod word_diff;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command, StoreCommand};
use crate::error::{CommandError, EXIT_USAGE};
use crate::logging::Wanted;
use crate::output::err;

const HOW_TO_START: &str = "\
gepa evolves prompts against an evaluator.

  gepa init my-task         writes a task that runs offline, to begin with
  gepa run config.toml      runs it
  gepa open latest          shows the run in the browser
  gepa --help               lists all commands";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(command) = arguments.command else {
        // If stderr is closed, the exit code says that nothing was done.
        let _ = writeln!(err(), "{HOW_TO_START}");
        return ExitCode::from(EXIT_USAGE);
    };
    let wanted = match &command {
        Command::Run(arguments) => Wanted {
            programs: arguments.is_verbose,
            run_log: arguments.keeps_log && !arguments.plan,
        },
        Command::Check(arguments) => Wanted {
            programs: arguments.tries_one,
            ..Wanted::default()
        },
        _ => Wanted::default(),
    };
    match logging::begin(wanted).and_then(|()| obey(command)) {
        Ok(code) => code,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed as well, only the exit code tells the caller.
            let _ = writeln!(err(), "{error}");
            error.exit_code()
        }
    }
}

fn obey(command: Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Init(arguments) => command::init(&arguments),
        Command::Run(arguments) => command::run(&arguments),
        Command::Branch(arguments) => command::branch(&arguments),
        Command::Check(arguments) => command::check(&arguments),
        Command::Runs(arguments) => command::runs(&arguments),
        Command::Show(arguments) => command::show(&arguments),
        Command::Best(arguments) => command::best(&arguments),
        Command::Diff(arguments) => command::diff(&arguments),
        Command::Eval(arguments) => command::eval(&arguments),
        Command::Gate(arguments) => command::gate(&arguments),
        Command::Compare(arguments) => command::compare(&arguments),
        Command::Export(arguments) => command::export(&arguments),
        Command::Open(arguments) => command::open(&arguments),
        Command::Report(arguments) => command::report(&arguments),
        Command::Blame(arguments) => command::blame(&arguments),
        Command::Ablate(arguments) => command::ablate(&arguments),
        Command::Steer(arguments) => command::steer(&arguments),
        Command::Sweep(arguments) => command::sweep(&arguments),
        Command::Serve(arguments) => command::serve(&arguments),
        Command::Store(StoreCommand::Copy(arguments)) => command::store_copy(&arguments),
        Command::Doctor(arguments) => command::doctor(&arguments),
        Command::Replay(arguments) => command::replay(&arguments),
        Command::Train(arguments) => command::train(&arguments),
        #[cfg(feature = "queue")]
        Command::Worker(arguments) => command::worker(&arguments),
        Command::Schema => command::schema(),
        Command::Completions(arguments) => command::completions(&arguments),
        Command::Man(arguments) => command::man(&arguments),
    }
}
