//! Sends a batch to one child and reads its answers.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::lines::Line;
use super::protocol::{BatchLine, ExampleLine, Reply, RequestLine, Speech, TrialLine, read_reply};
use super::settings::Launch;
use super::worker::{Worker, too_long};
use crate::dataset::Row;
use gepa_evaluation::{BatchAnswers, Evaluation, Failure, FailureKind, Outcome, TrialBatch};

/// A rollout of a batch, with its row if the evaluator has a dataset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// Its place in the batch.
    pub(super) place: usize,
    pub(super) row: Option<&'a Row>,
}

impl Worker {
    /// Sends these rollouts to the child, at most as many as it takes, and gives their answers as
    /// they come. If the child fails, each rollout without an answer fails. Returns whether the
    /// child can be used again.
    pub(super) async fn evaluate(
        &mut self,
        batch: &TrialBatch,
        items: &[Item<'_>],
        answers: &BatchAnswers,
        launch: &Launch,
    ) -> bool {
        let first = self.last_id + 1;
        self.last_id += items.len() as u64;
        let places = items.iter().map(|item| item.place);
        let mut open: BTreeMap<u64, usize> = (first..).zip(places).collect();
        let limit = launch.timeout.saturating_mul(items.len() as u32);
        let deadline = Instant::now() + limit;
        let seconds = limit.as_secs_f64();
        let failure = match self.request(batch, items, first, seconds) {
            Err(failure) => failure,
            Ok(line) => {
                let asked = self.converse(&line, first, &mut open, answers, launch);
                match tokio::time::timeout_at(deadline, asked).await {
                    Ok(Ok(())) => return true,
                    Ok(Err(failure)) => failure,
                    Err(_) => {
                        let message =
                            format!("the process did not answer within {seconds} s and was killed");
                        Failure::new(FailureKind::Timeout, message)
                    }
                }
            }
        };
        let failure = self.fail(failure).await;
        for place in open.into_values() {
            let outcome = Outcome::Failed(failure.clone());
            answers.give(place, Evaluation::free(outcome));
        }
        false
    }

    /// The line that asks for these rollouts, in the child's own protocol.
    fn request(
        &mut self,
        batch: &TrialBatch,
        items: &[Item<'_>],
        first: u64,
        timeout_seconds: f64,
    ) -> Result<Vec<u8>, Failure> {
        let trial = TrialLine::new(batch, timeout_seconds);
        let lines = (first..).zip(items).map(|(id, item)| {
            let example = &batch.examples[item.place];
            ExampleLine::new(id, example, item.row)
        });
        let mut lines: Vec<_> = lines.collect();
        let written = match (self.speech, lines.pop()) {
            (Speech::Single, Some(only)) => serde_json::to_vec(&RequestLine::new(trial, only)),
            (_, last) => {
                lines.extend(last);
                self.last_batch += 1;
                serde_json::to_vec(&BatchLine::new(self.last_batch, trial, lines))
            }
        };
        written.map_err(|error| {
            let message = format!("the request cannot be written as JSON: {error}");
            Failure::new(FailureKind::Permanent, message)
        })
    }

    /// Sends a request and reads answers until each rollout has one.
    async fn converse(
        &mut self,
        request: &[u8],
        first: u64,
        open: &mut BTreeMap<u64, usize>,
        answers: &BatchAnswers,
        launch: &Launch,
    ) -> Result<(), Failure> {
        let last = self.last_id;
        if self.send(request).await.is_err() {
            return Err(self.died().await);
        }
        while !open.is_empty() {
            let line = match self.read(launch.max_line_bytes).await {
                Ok(Line::Complete(line)) => line,
                Ok(Line::TooLong) => return Err(broken(&too_long(launch.max_line_bytes))),
                Ok(Line::End) | Err(_) => return Err(self.died().await),
            };
            let mut answer = |id: u64, mut evaluation: Evaluation| match open.remove(&id) {
                Some(place) => {
                    evaluation.outcome = evaluation.outcome.within(launch.score_range);
                    answers.give(place, evaluation);
                    Ok(())
                }
                None => Err(broken(&unexpected(id, first, last))),
            };
            match read_reply(&line).map_err(|reason| broken(&reason))? {
                Reply::One(id, evaluation) => answer(id, *evaluation)?,
                // A late line about a batch that is already answered.
                Reply::End(batch, rest) if batch < self.last_batch && rest.is_empty() => {}
                Reply::End(batch, _) if batch != self.last_batch => {
                    let asked = self.last_batch;
                    let reason = format!("it ended batch {batch}, while {asked} was asked");
                    return Err(broken(&reason));
                }
                Reply::End(batch, rest) => {
                    for (id, evaluation) in rest {
                        answer(id, evaluation)?;
                    }
                    if let Some(missing) = open.keys().next() {
                        let reason = format!(
                            "it ended batch {batch} without an answer to request {missing}"
                        );
                        return Err(broken(&reason));
                    }
                }
            }
        }
        Ok(())
    }

    /// The failure of a child that closed its stdout, and how it ended.
    pub(super) async fn died(&mut self) -> Failure {
        let ended = self.ended("died", "answered").await;
        let message = format!("the process {ended}");
        Failure::new(FailureKind::Transient, message)
    }
}

pub(super) fn broken(reason: &str) -> Failure {
    let message = format!("the process broke the protocol: {reason}");
    Failure::new(FailureKind::Permanent, message)
}

/// What is wrong with an answer to request `id` while `first..=last` were asked.
fn unexpected(id: u64, first: u64, last: u64) -> String {
    let again = if (1..=last).contains(&id) {
        " again"
    } else {
        ""
    };
    if first == last {
        format!("it answered request {id}{again}, while {first} was asked")
    } else {
        format!("it answered request {id}{again}, while {first} to {last} were asked")
    }
}
