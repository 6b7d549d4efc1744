//! A temporary folder with a small task, and the binary.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The folder of one test.
pub(crate) struct Workspace {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// The result of a finished process.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running process that has printed its run id.
pub(crate) struct Running {
    pub(crate) run: String,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Workspace {
    /// A folder with a dataset of 60 rows. The answer is `yes` for ages above 50.
    pub(crate) fn new() -> Self {
        let workspace = Self {
            folder: TempDir::new().unwrap(),
            environment: Vec::new(),
        };
        let mut rows = String::new();
        for age in 20..80 {
            let answer = if age > 50 { "yes" } else { "no" };
            writeln!(
                rows,
                r#"{{"id": "age-{age}", "age": {age}, "answer": "{answer}"}}"#
            )
            .unwrap();
        }
        workspace.write("rows.jsonl", &rows);
        workspace
    }

    /// The folder of [`new`](Self::new) with a config for the rulebook, which needs no network.
    pub(crate) fn with_rulebook() -> Self {
        let workspace = Self::new();
        workspace.write(
            "config.toml",
            &config("provider = \"rulebook\"\nmodel = \"rulebook\"", 150),
        );
        workspace
    }

    /// The folder of [`new`](Self::new) with a config for a model at this address.
    pub(crate) fn with_model(base_url: &str, max_rollouts: u64) -> Self {
        let workspace = Self::new();
        let policy = format!(
            "provider = \"local\"\nmodel = \"learner\"\nbase_url = \"{base_url}\"\ntimeout_seconds = 2.0\n\
             \n[[prices]]\nprovider = \"local\"\nmodel = \"learner\"\n\
             prompt_usd_per_million = 400.0\ncompletion_usd_per_million = 1600.0\n"
        );
        workspace.write("config.toml", &config(&policy, max_rollouts));
        workspace
    }

    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The binary, with no environment variable except those of the workspace.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gepa"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary and waits for its end.
    pub(crate) fn gepa(&self, arguments: &[&str]) -> Finished {
        let output = self.command(arguments).output().unwrap();
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Like [`gepa`](Self::gepa), and the exit code must be 0.
    #[track_caller]
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let finished = self.gepa(arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}", finished.stderr);
        finished.stdout
    }

    /// Starts the binary and waits for the run's id.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut running = self.launch(arguments);
        let mut line = String::new();
        running.stdout.read_line(&mut line).unwrap();
        line.trim().clone_into(&mut running.run);
        running
    }

    /// Starts the binary, which may print no run's id.
    pub(crate) fn launch(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let run = String::new();
        Running { run, child, stdout }
    }

    /// The rows of an export of the latest run.
    pub(crate) fn export(&self, what: &str) -> Vec<Value> {
        let text = self.succeed(&["export", "latest", "--what", what]);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn stats(&self) -> Value {
        self.export("stats").remove(0)
    }
}

impl Running {
    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    pub(crate) fn wait(mut self) -> Finished {
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        let code = self.child.wait().unwrap().code();
        Finished {
            code,
            stdout,
            stderr,
        }
    }
}

/// A number in a JSON object.
#[track_caller]
pub(crate) fn number(row: &Value, key: &str) -> u64 {
    row[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} is no count in {row}"))
}

/// The sum of a column of counts.
#[track_caller]
pub(crate) fn sum(rows: &[Value], key: &str) -> u64 {
    rows.iter().map(|row| number(row, key)).sum()
}

fn config(policy: &str, max_rollouts: u64) -> String {
    format!(
        r#"[run]
name = "ages"
seed = 7
max_concurrent = 8

[dataset]
path = "rows.jsonl"
id_column = "id"

[dataset.split]
train = {{ count = 20 }}
pareto = {{ count = 12 }}
validation = {{ count = 10 }}

[[prompt.messages]]
role = "system"
component = "instruction"
pattern = "Answer yes or no."

[[prompt.messages]]
role = "user"
pattern = "age: {{age}}"

[scorer]
kind = "exact"

[budget]
max_rollouts = {max_rollouts}

[policy]
{policy}"#
    )
}
