//! One child process: started, asked, reaped.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::lines::{Line, StderrTail, read_line, watch_stderr};
use super::protocol::{RequestLine, check_hello, read_reply};
use super::settings::Launch;
use super::{ChildGroup, ProcessError};
use crate::dataset::Row;
use gepa_evaluation::{Evaluation, Failure, FailureKind, RolloutRequest};

/// How long a child that closed its stdout may take to end.
const END_GRACE: Duration = Duration::from_millis(500);

/// A running child that has said hello. Dropping it kills it with everything it started.
#[derive(Debug)]
pub(super) struct Worker {
    group: ChildGroup,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: StderrTail,
    last_id: u64,
}

impl Worker {
    /// Starts a child and waits until it says that it is ready.
    pub(super) async fn start(launch: &Launch) -> Result<Self, ProcessError> {
        let program = launch.program.display().to_string();
        let mut worker = Self::spawn(launch).map_err(|source| ProcessError::CannotSpawn {
            program: program.clone(),
            source,
        })?;
        let hello = read_line(&mut worker.stdout, launch.max_line_bytes);
        let reason = match tokio::time::timeout(launch.start_timeout, hello).await {
            Err(_) => format!(
                "it did not say hello within {} s",
                launch.start_timeout.as_secs_f64()
            ),
            Ok(Ok(Line::Complete(line))) => match check_hello(&line) {
                Ok(()) => return Ok(worker),
                Err(reason) => reason,
            },
            Ok(Ok(Line::TooLong)) => too_long(launch.max_line_bytes),
            Ok(Ok(Line::End)) => {
                let ended = ended_with(worker.group.end(END_GRACE).await);
                format!("it ended before it said hello ({ended})")
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

    /// Runs one rollout. On `Err` the child must not be used again.
    pub(super) async fn ask(
        &mut self,
        request: &RolloutRequest,
        row: Option<&Row>,
        launch: &Launch,
    ) -> Result<Evaluation, Failure> {
        self.last_id += 1;
        let timeout_seconds = launch.timeout.as_secs_f64();
        let line = RequestLine::new(self.last_id, request, row, timeout_seconds);
        let mut bytes = serde_json::to_vec(&line).map_err(|error| {
            let message = format!("the request cannot be written as JSON: {error}");
            Failure::new(FailureKind::Permanent, message)
        })?;
        bytes.push(b'\n');
        let exchange = self.exchange(&bytes, launch.max_line_bytes);
        let Ok(reply) = tokio::time::timeout(launch.timeout, exchange).await else {
            let message =
                format!("the process did not answer within {timeout_seconds} s and was killed");
            return Err(self.fail(FailureKind::Timeout, message).await);
        };
        match reply {
            Ok(Line::Complete(reply_line)) => match read_reply(&reply_line, self.last_id) {
                Ok(evaluation) => Ok(evaluation),
                Err(reason) => {
                    let message = format!("the process broke the protocol: {reason}");
                    Err(self.fail(FailureKind::Permanent, message).await)
                }
            },
            Ok(Line::TooLong) => {
                let message = format!(
                    "the process broke the protocol: {}",
                    too_long(launch.max_line_bytes)
                );
                Err(self.fail(FailureKind::Permanent, message).await)
            }
            Ok(Line::End) | Err(_) => {
                let ended = ended_with(self.group.end(END_GRACE).await);
                let message = format!("the process died before it answered ({ended})");
                Err(self.fail(FailureKind::Transient, message).await)
            }
        }
    }

    /// Whether the child has answered at least one request.
    pub(super) fn has_answered(&self) -> bool {
        self.last_id > 0
    }

    /// Closes stdin, which asks the child to end, and kills it when it has not after `grace`.
    pub(super) async fn stop(self, grace: Duration) {
        let Self {
            mut group, stdin, ..
        } = self;
        drop(stdin);
        // How it ended no longer matters.
        let _ = group.end(grace).await;
    }

    fn spawn(launch: &Launch) -> std::io::Result<Self> {
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
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
            last_id: 0,
        })
    }

    async fn exchange(&mut self, request: &[u8], max_line_bytes: usize) -> std::io::Result<Line> {
        self.stdin.write_all(request).await?;
        self.stdin.flush().await?;
        read_line(&mut self.stdout, max_line_bytes).await
    }

    async fn fail(&mut self, kind: FailureKind, message: String) -> Failure {
        self.group.kill();
        let stderr = self.stderr.quote().await;
        Failure::new(kind, format!("{message}{stderr}"))
    }
}

fn ended_with(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

fn too_long(max_line_bytes: usize) -> String {
    format!(
        "it printed a line of more than {max_line_bytes} bytes, raise `max_line_bytes` if it should"
    )
}
