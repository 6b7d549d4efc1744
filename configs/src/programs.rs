//! A trial start of the programs of a config: they say hello, and are ended. No model is called.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gepa_engine::Problem;
use gepa_rulebook::RulebookModel;
use gepa_tasks::process::{ProcessEvaluator, ProcessProposer, ProcessSettings};
use gepa_tasks::scorer::{Scorer, ScorerSettings};

use crate::problem::{ConfigError, LocatedProblem};
use crate::raw::{EvaluatorSettings, ProposerSettings};
use crate::task::{TaskConfig, problem};

/// What came of a trial start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The sections whose programs said hello.
    pub ready: Vec<&'static str>,
    /// A note for each program that had said nothing yet when the time was over.
    pub slow: Vec<LocatedProblem>,
}

impl TaskConfig {
    /// Starts each program that a run of this process would start, waits until it is ready, `longest` at
    /// most, and ends it. Where workers run the evaluator, it is not started here.
    ///
    /// # Errors
    /// A program that cannot be started, ends, or says something else than hello: what a run would say.
    pub async fn try_programs(&self, longest: Duration) -> Result<Started, ConfigError> {
        let mut trial = Trial {
            longest,
            started: Started::default(),
            problems: Vec::new(),
        };
        let runs_here = self.raw.workers.queue.is_none();
        if let EvaluatorSettings::Process(settings) = &self.evaluator
            && runs_here
        {
            let starting = ProcessEvaluator::start(settings, &self.directory, None);
            let longest_wait = settings.start_timeout_seconds;
            let key = "evaluator.command";
            trial
                .wait(self, "evaluator", key, longest_wait, starting)
                .await;
        }
        let is_dataset = matches!(self.evaluator, EvaluatorSettings::Dataset(_));
        if let Some(settings) = self.raw.scorer.as_ref().filter(|scorer| is_lasting(scorer))
            && is_dataset
            && runs_here
        {
            // Any model serves, because it is not called.
            let judge = Arc::new(RulebookModel);
            let starting = async {
                let scorer = Scorer::new(settings, &self.directory, Some(judge))?;
                scorer.start().await
            };
            let longest_wait = ProcessSettings::for_command([""]).start_timeout_seconds;
            trial
                .wait(self, "scorer", "scorer", longest_wait, starting)
                .await;
        }
        if let Some(ProposerSettings::Process(settings)) = &self.raw.proposer {
            let starting = ProcessProposer::start(settings, &self.directory);
            let longest_wait = settings.start_timeout_seconds;
            let key = "proposer.command";
            trial
                .wait(self, "proposer", key, longest_wait, starting)
                .await;
        }
        if trial.problems.is_empty() {
            Ok(trial.started)
        } else {
            Err(self.document.locate_all(trial.problems))
        }
    }
}

fn is_lasting(scorer: &ScorerSettings) -> bool {
    match scorer {
        ScorerSettings::Command { lasting, .. } => *lasting,
        ScorerSettings::Python { .. } => true,
        _ => false,
    }
}

struct Trial {
    longest: Duration,
    started: Started,
    problems: Vec<Problem>,
}

impl Trial {
    async fn wait<T, E: std::error::Error>(
        &mut self,
        task: &TaskConfig,
        section: &'static str,
        key: &str,
        run_waits: f64,
        starting: impl Future<Output = Result<T, E>>,
    ) {
        // What was started ends when it is dropped.
        match tokio::time::timeout(self.longest, starting).await {
            Ok(Ok(_)) => self.started.ready.push(section),
            Ok(Err(error)) => self.problems.extend(problem(key, &error)),
            Err(_) => {
                let text = format!(
                    "has not said hello within {} s, and was ended; a run waits for it for {run_waits} s",
                    self.longest.as_secs_f64()
                );
                self.started
                    .slow
                    .push(task.document.locate(Problem::new(key, text)));
            }
        }
    }
}
