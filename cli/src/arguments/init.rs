//! The arguments of `gepa init`, `gepa completions` and `gepa man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) const INIT_NOTES: &str = "\
What is not given is asked on a terminal; elsewhere the first value of each list is taken. Nothing is
overwritten. The files written go to stdout, one a line. The first run costs nothing and needs no network: a
rule follower or a small program stands where a language model belongs, and the config says how to name one.";

pub(super) const COMPLETIONS_NOTES: &str = "\
  bash   gepa completions bash > ~/.local/share/bash-completion/completions/gepa
  zsh    gepa completions zsh > ~/.zfunc/_gepa      (with `fpath+=~/.zfunc` before `compinit` in .zshrc)
  fish   gepa completions fish > ~/.config/fish/completions/gepa.fish";

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The folder to write to; made if there is none
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// What is to be improved
    #[arg(long, value_name = "TASK")]
    pub(crate) task: Option<TaskKind>,
    /// The language of the programs
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) language: Option<Language>,
}

/// What is to be improved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskKind {
    /// A prompt with which a model sorts texts; rows have the right label
    Classify,
    /// A text that a program of yours works with, such as an agent's instruction; rows are its inputs
    Program,
    /// Any text that a program can measure, such as settings or a query; no rows
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Python 3, standard library only
    Python,
    /// Node 18 or newer, without packages
    Node,
    /// A POSIX shell with sed
    Shell,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The folder to write to; made if there is none
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}
