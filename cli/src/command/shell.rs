//! `gepa completions` and `gepa man`

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::arguments::{Arguments, CompletionsArguments, ManArguments};
use crate::error::CommandError;
use crate::output::stdout;

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode, CommandError> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "gepa",
        &mut script,
    );
    let mut out = stdout();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(arguments: &ManArguments) -> Result<ExitCode, CommandError> {
    let folder = &arguments.folder;
    let written = fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    written.map_err(|error| {
        CommandError::Usage(format!(
            "cannot write to `{}`: {error}; name a folder that you may write to",
            folder.display()
        ))
    })?;
    Ok(ExitCode::SUCCESS)
}
