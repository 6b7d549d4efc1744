//! One child process: starts it, exchanges lines with it, and reaps it.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::lines::{Line, StderrTail, read_filled_line, watch_stderr};
use super::protocol::Speech;
use super::settings::Launch;
use super::{ChildGroup, ProcessError};
use gepa_evaluation::Failure;

/// How long a child that closed its stdout may take to end.
const END_GRACE: Duration = Duration::from_millis(500);

/// A running child that has said hello. Dropping it kills it with everything it started.
#[derive(Debug)]
pub(super) struct Worker {
    group: ChildGroup,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: StderrTail,
    pub(super) speech: Speech,
    /// The last request asked, and the last batch.
    pub(super) last_id: u64,
    pub(super) last_batch: u64,
}

impl Worker {
    /// Starts a child and waits until it says that it is ready.
    pub(super) async fn start(launch: &Launch) -> Result<Self, ProcessError> {
        let program = launch.program.display().to_string();
        let mut worker = Self::spawn(launch).map_err(|source| ProcessError::CannotSpawn {
            program: program.clone(),
            source,
        })?;
        let hello = read_filled_line(&mut worker.stdout, launch.max_line_bytes);
        let reason = match tokio::time::timeout(launch.start_timeout, hello).await {
            Err(_) => format!(
                "it did not say hello within {} s; it must print {{\"protocol\": 1}} as its first line \
                 and flush it (Python: `flush=True`); where it is slow to load, raise \
                 `evaluator.start_timeout_seconds`",
                launch.start_timeout.as_secs_f64()
            ),
            Ok(Ok(Line::Complete(line))) => match (launch.read_hello)(&line) {
                Ok(speech) => {
                    worker.speech = speech;
                    return Ok(worker);
                }
                Err(reason) => reason,
            },
            Ok(Ok(Line::TooLong)) => too_long(launch.max_line_bytes),
            Ok(Ok(Line::End)) => {
                let ended = worker.ended("ended", "said hello").await;
                format!("it {ended}")
            }
            Ok(Err(error)) => error.to_string(),
        };
        worker.group.kill();
        let stderr = worker.stderr.quote().await;
        Err(ProcessError::NotReady {
            program,
            reason: format!("{reason}{stderr}"),
        })
    }

    /// Closes stdin, which asks the child to end, and kills it if it has not ended after `grace`.
    pub(super) async fn stop(self, grace: Duration) {
        let Self {
            mut group, stdin, ..
        } = self;
        drop(stdin);
        // The exit status is not needed.
        let _ = group.end(grace).await;
    }

    fn spawn(launch: &Launch) -> std::io::Result<Self> {
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            // By default Python buffers its output to a pipe, which would delay answers.
            .env("PYTHONUNBUFFERED", "1")
            .envs(&launch.env)
            .current_dir(&launch.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = ChildGroup::spawn(&mut command)?;
        let child = group.child();
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(std::io::Error::other("a pipe to the process is missing"));
        };
        Ok(Self {
            group,
            stdin,
            stdout: BufReader::new(stdout),
            stderr: watch_stderr(stderr),
            speech: Speech::Single,
            last_id: 0,
            last_batch: 0,
        })
    }

    /// Sends a line.
    pub(super) async fn send(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.stdin.write_all(line).await?;
        self.stdin.write_all(b"\n").await?;
        self.stdin.flush().await
    }

    /// Reads a line.
    pub(super) async fn read(&mut self, max_line_bytes: usize) -> std::io::Result<Line> {
        read_filled_line(&mut self.stdout, max_line_bytes).await
    }

    /// How a child that closed its stdout before it did `what` ended, such as `died before it answered (..)`.
    pub(super) async fn ended(&mut self, verb: &str, what: &str) -> String {
        match self.group.end_and_tell(END_GRACE).await {
            Ok((status, true)) => format!("{verb} before it {what} ({status})"),
            Ok((_, false)) => {
                format!("closed its stdout before it {what}; it still ran, and was killed")
            }
            Err(error) => format!("{verb} before it {what} ({error})"),
        }
    }

    /// Kills the child because of this failure; its message then quotes the stderr.
    pub(super) async fn fail(&mut self, failure: Failure) -> Failure {
        self.group.kill();
        let stderr = self.stderr.quote().await;
        let message = format!("{}{stderr}", failure.message);
        Failure { message, ..failure }
    }
}

pub(super) fn too_long(max_line_bytes: usize) -> String {
    format!(
        "it printed a line of more than {max_line_bytes} bytes, raise `max_line_bytes` if it should"
    )
}
