//! What a config says about processes that evaluate or propose.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProcessError;
use super::protocol::Speech;
use gepa_evaluation::ScoreRange;

/// A program that evaluates candidates, speaking JSON lines on stdin and stdout.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessSettings {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// Variables added to the inherited environment.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
    /// The folder the program runs in, relative to the config file; by default that file's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// How many of it run at once; each handles one rollout, or one batch of them, at a time.
    #[serde(default = "default_processes")]
    pub processes: usize,
    /// How long one rollout may take before the process is killed; a batch may take that long for
    /// each of its rollouts.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: f64,
    /// How long a process may take to say that it is ready.
    #[serde(default = "default_start_timeout_seconds")]
    pub start_timeout_seconds: f64,
    /// The longest line a process may print, in bytes.
    #[serde(default = "default_max_line_bytes")]
    pub max_line_bytes: usize,
    /// Whether the same candidate on the same example always gets the same outcome; known outcomes
    /// are then reused.
    #[serde(default)]
    pub deterministic: bool,
    /// Lowest and highest score, where they are known; a score outside of them is a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_range: Option<[f64; 2]>,
}

impl ProcessSettings {
    /// Settings for a command with everything else at its default.
    pub fn for_command(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            env: IndexMap::new(),
            directory: None,
            processes: default_processes(),
            timeout_seconds: default_timeout_seconds(),
            start_timeout_seconds: default_start_timeout_seconds(),
            max_line_bytes: default_max_line_bytes(),
            deterministic: false,
            score_range: None,
        }
    }
}

/// A program that rewrites components, speaking JSON lines on stdin and stdout.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessProposerSettings {
    /// The program and its arguments; no shell is involved.
    pub command: Vec<String>,
    /// Variables added to the inherited environment.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
    /// The folder the program runs in, relative to the config file; by default that file's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// How many of it run at once; each handles one proposal at a time.
    #[serde(default = "one_process")]
    pub processes: usize,
    /// How long one answer may take before the process is killed.
    #[serde(default = "default_proposal_seconds")]
    pub timeout_seconds: f64,
    /// How long a process may take to say that it is ready.
    #[serde(default = "default_start_timeout_seconds")]
    pub start_timeout_seconds: f64,
    /// The longest line a process may print, in bytes.
    #[serde(default = "default_max_line_bytes")]
    pub max_line_bytes: usize,
}

impl ProcessProposerSettings {
    /// Settings for a command with everything else at its default.
    pub fn for_command(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let defaults = ProcessSettings::for_command(command);
        Self {
            command: defaults.command,
            env: defaults.env,
            directory: defaults.directory,
            processes: one_process(),
            timeout_seconds: default_proposal_seconds(),
            start_timeout_seconds: defaults.start_timeout_seconds,
            max_line_bytes: defaults.max_line_bytes,
        }
    }

    /// The launch settings, in the type that evaluators use.
    pub(super) fn as_process(&self) -> ProcessSettings {
        ProcessSettings {
            command: self.command.clone(),
            env: self.env.clone(),
            directory: self.directory.clone(),
            processes: self.processes,
            timeout_seconds: self.timeout_seconds,
            start_timeout_seconds: self.start_timeout_seconds,
            max_line_bytes: self.max_line_bytes,
            deterministic: false,
            score_range: None,
        }
    }
}

impl fmt::Debug for ProcessProposerSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Everything a launch needs, with the environment by name only.
        self.as_process().fmt(formatter)
    }
}

impl fmt::Debug for ProcessSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values in `env` may be secrets.
        let names: Vec<&String> = self.env.keys().collect();
        formatter
            .debug_struct("ProcessSettings")
            .field("command", &self.command)
            .field("env", &names)
            .field("directory", &self.directory)
            .field("processes", &self.processes)
            .field("timeout_seconds", &self.timeout_seconds)
            .field("start_timeout_seconds", &self.start_timeout_seconds)
            .field("max_line_bytes", &self.max_line_bytes)
            .field("deterministic", &self.deterministic)
            .field("score_range", &self.score_range)
            .finish()
    }
}

/// The settings, checked and with paths resolved.
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) env: IndexMap<String, String>,
    pub(super) directory: PathBuf,
    pub(super) processes: usize,
    pub(super) timeout: Duration,
    pub(super) start_timeout: Duration,
    pub(super) max_line_bytes: usize,
    pub(super) score_range: Option<ScoreRange>,
    /// Reads the first line of a process. The error says what is wrong with the line.
    pub(super) read_hello: fn(&[u8]) -> Result<Speech, String>,
}

impl Launch {
    pub(super) fn resolve(
        settings: &ProcessSettings,
        base: &Path,
        read_hello: fn(&[u8]) -> Result<Speech, String>,
    ) -> Result<Self, ProcessError> {
        let Some((program, arguments)) = settings.command.split_first() else {
            return Err(ProcessError::BadSettings(
                "`command` is empty; write the program and its arguments as a list".to_owned(),
            ));
        };
        if !(1..=4096).contains(&settings.processes) {
            return Err(ProcessError::BadSettings(format!(
                "`processes = {}` must be from 1 to 4096",
                settings.processes
            )));
        }
        if settings.max_line_bytes < 256 {
            return Err(ProcessError::BadSettings(
                "`max_line_bytes` must be at least 256".to_owned(),
            ));
        }
        let named = settings.directory.as_deref().unwrap_or_default();
        let directory = absolute(&base.join(named))
            .map_err(|error| ProcessError::BadSettings(format!("`directory`: {error}")))?;
        Ok(Self {
            program: program_path(&directory, program),
            arguments: arguments.to_vec(),
            env: settings.env.clone(),
            directory,
            processes: settings.processes,
            timeout: seconds("timeout_seconds", settings.timeout_seconds)?,
            start_timeout: seconds("start_timeout_seconds", settings.start_timeout_seconds)?,
            max_line_bytes: settings.max_line_bytes,
            score_range: settings
                .score_range
                .and_then(|[lowest, highest]| ScoreRange::new(lowest, highest)),
            read_hello,
        })
    }
}

/// The path of a program. A bare name is looked up in `PATH`; a name with a folder is relative to
/// `directory`.
pub(crate) fn program_path(directory: &Path, program: &str) -> PathBuf {
    if Path::new(program).components().count() > 1 {
        directory.join(program)
    } else {
        program.into()
    }
}

/// The absolute form of a folder, which need not exist.
pub(crate) fn absolute(directory: &Path) -> std::io::Result<PathBuf> {
    // The folder of a bare file name is the empty path, which `absolute` refuses.
    if directory.as_os_str().is_empty() {
        std::env::current_dir()
    } else {
        std::path::absolute(directory)
    }
}

fn seconds(name: &str, value: f64) -> Result<Duration, ProcessError> {
    if value > 0.0 && value <= 86_400.0 {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(ProcessError::BadSettings(format!(
        "`{name} = {value}` must be more than 0 and at most 86400"
    )))
}

fn default_processes() -> usize {
    4
}

fn one_process() -> usize {
    1
}

fn default_proposal_seconds() -> f64 {
    600.0
}

fn default_timeout_seconds() -> f64 {
    60.0
}

fn default_start_timeout_seconds() -> f64 {
    30.0
}

fn default_max_line_bytes() -> usize {
    16 * 1024 * 1024
}
