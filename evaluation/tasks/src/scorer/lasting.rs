//! Programs that are started once and score line by line.

use std::path::Path;

use serde::Serialize;

use super::ScorerError;
use super::input::{Judgement, ScorerInput, failure};
use crate::process::{ProcessSettings, Questions};
use gepa_evaluation::{Evaluation, ExampleId, Outcome};

/// Evaluates the expression. Stdout carries the protocol, so its own output goes to stderr.
const RUNNER: &str = include_str!("runner.py");

/// How a lasting program is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting {
    pub(super) processes: usize,
    pub(super) timeout_seconds: f64,
    pub(super) deterministic: bool,
}

#[derive(Debug)]
pub(super) struct LastingScorer {
    questions: Questions,
    deterministic: bool,
}

#[derive(Serialize)]
struct Question<'a> {
    id: u64,
    example: &'a ExampleId,
    input: &'a str,
    output: &'a str,
    expected: Option<&'a str>,
}

impl LastingScorer {
    /// A Python expression.
    pub(super) fn python(
        expression: &str,
        python: &str,
        base: &Path,
        lasting: &Lasting,
    ) -> Result<Self, ScorerError> {
        if expression.trim().is_empty() {
            return Err(ScorerError::EmptyExpression);
        }
        let command = [python, "-u", "-c", RUNNER, expression.trim()];
        Self::command(command.map(str::to_owned).to_vec(), base, lasting)
    }

    /// A program of the user's that speaks the protocol of process evaluators.
    pub(super) fn command(
        command: Vec<String>,
        base: &Path,
        lasting: &Lasting,
    ) -> Result<Self, ScorerError> {
        if command.is_empty() {
            return Err(ScorerError::EmptyCommand);
        }
        if !(lasting.timeout_seconds > 0.0 && lasting.timeout_seconds <= 86_400.0) {
            return Err(ScorerError::BadTimeout(lasting.timeout_seconds));
        }
        let settings = ProcessSettings {
            processes: lasting.processes,
            timeout_seconds: lasting.timeout_seconds,
            ..ProcessSettings::for_command(command)
        };
        Ok(Self {
            questions: Questions::new(&settings, base)?,
            deterministic: lasting.deterministic,
        })
    }

    pub(super) fn is_deterministic(&self) -> bool {
        self.deterministic
    }

    pub(super) async fn start(&self) -> Result<(), ScorerError> {
        Ok(self.questions.start().await?)
    }

    pub(super) async fn score(&self, input: &ScorerInput<'_>) -> Judgement {
        let line = |id| {
            serde_json::to_vec(&Question {
                id,
                example: input.example,
                input: input.input,
                output: input.output,
                expected: input.expected,
            })
        };
        let Evaluation { outcome, usage, .. } = self.questions.ask(line).await;
        let verdict = match outcome {
            Outcome::Scored(scored) => Ok(scored.into()),
            Outcome::Failed(failed) => {
                // The kind stays: another attempt scores the same answer again and buys none.
                Err(failure(
                    failed.kind,
                    format!("the scorer: {}", failed.message),
                ))
            }
        };
        Judgement {
            verdict,
            usage,
            provider_down: false,
        }
    }
}
