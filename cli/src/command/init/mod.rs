//! `gepa init`

mod files;
mod questions;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::arguments::{InitArguments, Language};
use crate::command::init::files::{File, files};
use crate::command::init::questions::choose;
use crate::error::CommandError;
use crate::output::{err, stdout};

pub(crate) fn init(arguments: &InitArguments) -> Result<ExitCode, CommandError> {
    let folder = &arguments.folder;
    let task = choose("What is to be improved?", "--task", arguments.task)?;
    let language = choose("Which language?", "--language", arguments.language)?;
    let files = files(task, language);
    refuse_to_overwrite(folder, &files)?;
    fs::create_dir_all(folder).map_err(|error| cannot("create the folder", folder, &error))?;
    let mut out = stdout();
    for file in &files {
        let path = folder.join(file.name);
        write_new(&path, &file.text)?;
        writeln!(out, "{}", path.display())?;
    }
    out.flush()?;
    say_what_is_next(folder, language);
    Ok(ExitCode::SUCCESS)
}

fn refuse_to_overwrite(folder: &Path, files: &[File]) -> Result<(), CommandError> {
    let there: Vec<String> = files
        .iter()
        .map(|file| folder.join(file.name))
        // A link that leads nowhere is in the way as well.
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "{} {} there already, and nothing was written; name another folder: `gepa init DIR`",
        there.join(", "),
        if there.len() == 1 { "is" } else { "are" }
    )))
}

fn write_new(path: &Path, text: &str) -> Result<(), CommandError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| cannot("write", path, &error))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> CommandError {
    CommandError::Usage(format!(
        "cannot {what} `{}`: {error}; name a folder that you may write to",
        path.display()
    ))
}

fn say_what_is_next(folder: &Path, language: Language) {
    let mut lines = String::new();
    if folder != Path::new(".") {
        let _ = writeln!(lines, "  cd {}", for_a_shell(&folder.to_string_lossy()));
    }
    lines += "  gepa check config.toml --try   runs one example\n";
    lines += "  gepa run config.toml           runs offline and costs nothing\n";
    lines += "  gepa open latest               shows the run in the browser";
    let needed = match language {
        Language::Python => "python3",
        Language::Node => "node",
        Language::Shell => "sh and sed",
    };
    let _ = writeln!(
        err(),
        "\nThe programs need {needed}. Next:\n{lines}\n\
         For a language model see the comments in config.toml; its key goes into OPENAI_API_KEY or `.env`."
    );
}

/// A path as a word of a shell.
fn for_a_shell(path: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    if !path.starts_with('-') && path.chars().all(is_plain) {
        return path.to_owned();
    }
    // A path that begins with `-` would be read as an option.
    let here = if path.starts_with('/') { "" } else { "./" };
    format!("'{here}{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::for_a_shell;

    #[test]
    fn a_path_is_quoted_where_a_shell_would_split_it() {
        assert_eq!(for_a_shell("my-task"), "my-task");
        assert_eq!(for_a_shell("a b"), "'./a b'");
        assert_eq!(for_a_shell("/a b"), "'/a b'");
        assert_eq!(for_a_shell("it's"), r"'./it'\''s'");
        assert_eq!(for_a_shell("-x"), "'./-x'");
    }
}
