//! A program as the scorer.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::ScorerError;
use super::input::{Judgement, ScorerInput, failure};
use crate::process::{ChildGroup, StderrTail, absolute, program_path, read_answer, watch_stderr};
use gepa_evaluation::{Evaluation, ExampleId, Failure, FailureKind, Outcome, Usage};

const MAX_REPLY_BYTES: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct CommandScorer {
    program: PathBuf,
    directory: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
    deterministic: bool,
}

#[derive(Serialize)]
struct Question<'a> {
    example: &'a ExampleId,
    input: &'a str,
    output: &'a str,
    expected: Option<&'a str>,
}

impl CommandScorer {
    pub(super) fn new(
        command: &[String],
        base: &Path,
        timeout_seconds: f64,
        deterministic: bool,
    ) -> Result<Self, ScorerError> {
        let (program, arguments) = command.split_first().ok_or(ScorerError::EmptyCommand)?;
        if !(timeout_seconds > 0.0 && timeout_seconds <= 86_400.0) {
            return Err(ScorerError::BadTimeout(timeout_seconds));
        }
        let directory = absolute(base).map_err(ScorerError::BadDirectory)?;
        Ok(Self {
            program: program_path(&directory, program),
            directory,
            arguments: arguments.to_vec(),
            timeout: Duration::from_secs_f64(timeout_seconds),
            deterministic,
        })
    }

    pub(super) fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    pub(super) async fn score(&self, input: &ScorerInput<'_>) -> Judgement {
        let (outcome, usage) = match self.run(input).await {
            Ok(evaluation) => (evaluation.outcome, evaluation.usage),
            Err(failure) => (Outcome::Failed(failure), Usage::default()),
        };
        let verdict = match outcome {
            Outcome::Scored(scored) => Ok(scored.into()),
            Outcome::Failed(failure) => Err(failure),
        };
        Judgement {
            verdict,
            usage,
            provider_down: false,
        }
    }

    async fn run(&self, input: &ScorerInput<'_>) -> Result<Evaluation, Failure> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut group = ChildGroup::spawn(&mut command).map_err(|error| {
            self.failed(FailureKind::Permanent, &format!("cannot start: {error}"))
        })?;
        let Some(stderr) = group.child().stderr.take() else {
            return Err(self.failed(FailureKind::Transient, "a pipe is missing"));
        };
        let mut tail = watch_stderr(stderr);
        let question = Question {
            example: input.example,
            input: input.input,
            output: input.output,
            expected: input.expected,
        };
        let bytes = serde_json::to_vec(&question)
            .map_err(|error| self.failed(FailureKind::Permanent, &error.to_string()))?;
        match tokio::time::timeout(self.timeout, converse(&mut group, bytes)).await {
            Err(_) => {
                group.kill();
                let reason = format!("did not finish within {} s", self.timeout.as_secs_f64());
                Err(self.failed(FailureKind::Timeout, &reason))
            }
            Ok(Err(error)) => Err(self.failed(FailureKind::Transient, &error.to_string())),
            Ok(Ok((reply, status))) => self.read(&reply, status, &mut tail).await,
        }
    }

    async fn read(
        &self,
        reply: &[u8],
        status: ExitStatus,
        tail: &mut StderrTail,
    ) -> Result<Evaluation, Failure> {
        if reply.len() as u64 > MAX_REPLY_BYTES {
            let reason = format!("printed more than {MAX_REPLY_BYTES} bytes");
            return Err(self.failed(FailureKind::Permanent, &reason));
        }
        if !status.success() {
            // Only a program that was killed has no exit code; that says nothing about the answer.
            let kind = match status.code() {
                None => FailureKind::Transient,
                Some(_) => FailureKind::Permanent,
            };
            let reason = format!("ended with {status}{}", tail.quote().await);
            return Err(self.failed(kind, &reason));
        }
        let evaluation = read_answer(reply.trim_ascii())
            .map_err(|reason| self.failed(FailureKind::Permanent, &format!("failed: {reason}")))?;
        match evaluation.outcome {
            Outcome::Failed(said) => {
                let reason = format!("reports an error: {}", said.message);
                let outcome = Outcome::Failed(self.failed(said.kind, &reason));
                Ok(Evaluation::with_usage(outcome, evaluation.usage))
            }
            Outcome::Scored(_) => Ok(evaluation),
        }
    }

    fn failed(&self, kind: FailureKind, reason: &str) -> Failure {
        let program = self.program.display();
        failure(kind, format!("the scorer `{program}` {reason}"))
    }
}

/// Writes the question and reads the reply at the same time, so that neither side can block the
/// other. A program need not read its stdin.
async fn converse(
    group: &mut ChildGroup,
    question: Vec<u8>,
) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let child = group.child();
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(std::io::Error::other("a pipe is missing"));
    };
    let ask = async move {
        // A broken pipe means that the program did not read the question.
        let _ = stdin.write_all(&question).await;
    };
    let mut reply = Vec::new();
    let mut bounded = stdout.take(MAX_REPLY_BYTES + 1);
    let (read, ()) = tokio::join!(bounded.read_to_end(&mut reply), ask);
    read?;
    if reply.len() as u64 > MAX_REPLY_BYTES {
        group.kill();
    }
    // The timeout around this block also ends the wait for a program that does not exit.
    let status = group.end(Duration::MAX).await?;
    Ok((reply, status))
}
