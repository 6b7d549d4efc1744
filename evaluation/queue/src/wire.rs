//! The messages between engines and workers, as JSON.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{
    Evaluation, ExampleId, Message, Outcome, ProposalRequest, ProposedTexts, ProposerError,
    ProposerErrorKind, SentPrompt, Stage, TrialBatch, Usage,
};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::QueueError;

/// Work for a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The engine process that wants it.
    pub(crate) session: String,
    pub(crate) work: Work,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    Rollouts(Rollouts),
    /// A call of the proposer.
    Proposal(ProposalRequest),
}

/// Rollouts of one trial.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rollouts {
    pub(crate) run_id: Arc<str>,
    pub(crate) trial_id: Arc<str>,
    pub(crate) stage: Stage,
    pub(crate) iteration: u64,
    pub(crate) trial_index: u32,
    pub(crate) attempt: u32,
    /// Seconds that one rollout may take.
    pub(crate) timeout_seconds: f64,
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) examples: Vec<ExampleId>,
}

/// A worker's answer to one rollout or proposal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The engine process that wanted it.
    pub(crate) session: String,
    pub(crate) key: String,
    pub(crate) worker: String,
    pub(crate) body: Body,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    Rollout(Settled),
    Proposed(Texts),
    NotProposed(Refusal),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settled {
    outcome: Outcome,
    usage: Usage,
    judge_usage: Usage,
    provider_down: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Texts {
    by_component: IndexMap<Arc<str>, Vec<String>>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    unread: IndexMap<Arc<str>, Vec<String>>,
    usage: Usage,
    reply: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sent: Vec<Message>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    kind: ProposerErrorKind,
    message: String,
    usage: Usage,
    reply: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sent: Vec<Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    goes_on_at: Option<u64>,
}

/// A message's bytes.
pub(crate) fn write(message: &impl Serialize) -> Result<Vec<u8>, QueueError> {
    serde_json::to_vec(message).map_err(|error| QueueError::Unreadable(error.to_string()))
}

/// A message from its bytes.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, QueueError> {
    serde_json::from_slice(bytes).map_err(|error| QueueError::Unreadable(error.to_string()))
}

impl Rollouts {
    pub(crate) fn new(batch: &TrialBatch, timeout_seconds: f64) -> Self {
        Self {
            run_id: Arc::clone(&batch.run_id),
            trial_id: Arc::clone(&batch.trial_id),
            stage: batch.stage,
            iteration: batch.iteration,
            trial_index: batch.trial_index,
            attempt: batch.attempt,
            timeout_seconds,
            candidate: Arc::clone(&batch.candidate),
            examples: batch.examples.clone(),
        }
    }

    pub(crate) fn into_batch(self) -> TrialBatch {
        TrialBatch {
            candidate: self.candidate,
            examples: self.examples,
            run_id: self.run_id,
            trial_id: self.trial_id,
            stage: self.stage,
            iteration: self.iteration,
            trial_index: self.trial_index,
            attempt: self.attempt,
        }
    }
}

impl From<Evaluation> for Settled {
    fn from(evaluation: Evaluation) -> Self {
        Self {
            // JSON has no word for scores that are not numbers.
            outcome: evaluation.outcome.checked(),
            usage: evaluation.usage,
            judge_usage: evaluation.judge_usage,
            provider_down: evaluation.provider_down,
        }
    }
}

impl From<Settled> for Evaluation {
    fn from(settled: Settled) -> Self {
        Self {
            outcome: settled.outcome,
            usage: settled.usage,
            judge_usage: settled.judge_usage,
            provider_down: settled.provider_down,
        }
    }
}

impl From<Result<ProposedTexts, ProposerError>> for Body {
    fn from(proposed: Result<ProposedTexts, ProposerError>) -> Self {
        match proposed {
            Ok(proposed) => Self::Proposed(Texts {
                by_component: proposed.texts,
                unread: proposed.unread,
                usage: proposed.usage,
                reply: proposed.reply,
                sent: proposed.sent,
            }),
            Err(error) => Self::NotProposed(Refusal {
                kind: error.kind,
                message: error.message,
                usage: error.usage,
                reply: error.reply,
                sent: error.sent.map(|sent| sent.messages).unwrap_or_default(),
                goes_on_at: error.goes_on_at,
            }),
        }
    }
}

impl Body {
    /// Whether an engine that resumes its run may use the answer to what it asked before it died. It
    /// asks again where another attempt may succeed.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Rollout(settled) => {
                !settled.provider_down
                    && match &settled.outcome {
                        Outcome::Scored(_) => true,
                        Outcome::Failed(failure) => !failure.kind.is_retryable(),
                    }
            }
            Self::Proposed(_) => true,
            Self::NotProposed(_) => false,
        }
    }

    /// The answer to a call of the proposer.
    pub(crate) fn into_proposed(self) -> Result<ProposedTexts, ProposerError> {
        match self {
            Self::Proposed(texts) => Ok(ProposedTexts {
                texts: texts.by_component,
                unread: texts.unread,
                usage: texts.usage,
                reply: texts.reply,
                sent: texts.sent,
            }),
            Self::NotProposed(refusal) => Err(ProposerError {
                kind: refusal.kind,
                message: refusal.message,
                usage: refusal.usage,
                reply: refusal.reply,
                goes_on_at: refusal.goes_on_at,
                sent: (!refusal.sent.is_empty()).then(|| {
                    Box::new(SentPrompt {
                        messages: refusal.sent,
                    })
                }),
            }),
            Self::Rollout(_) => Err(ProposerError::new(
                ProposerErrorKind::Failed,
                "a worker answered a reflection with the outcome of a rollout",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use gepa_evaluation::{Failure, FailureKind};
    use serde_json::{Value, json};

    use super::*;

    fn day_used_up(goes_on_at: Option<u64>) -> Evaluation {
        let failure = Failure {
            goes_on_at,
            ..Failure::new(FailureKind::Transient, "used up")
        };
        Evaluation {
            provider_down: true,
            ..Evaluation::free(Outcome::Failed(failure))
        }
    }

    fn as_sent(body: Body) -> Value {
        serde_json::to_value(body).expect("it has texts and numbers only")
    }

    #[test]
    fn the_time_at_which_calls_go_on_arrives_with_rollouts_and_reflections() {
        let evaluation = day_used_up(Some(1_700_000_000));
        let sent = as_sent(Body::Rollout(evaluation.clone().into()));
        let Body::Rollout(arrived) = serde_json::from_value(sent).expect("as it was sent") else {
            panic!("another answer arrived");
        };
        assert_eq!(Evaluation::from(arrived), evaluation);
        let refusal = ProposerError {
            goes_on_at: Some(1_700_000_000),
            ..ProposerError::new(ProposerErrorKind::ProviderDown, "used up")
        };
        let sent = as_sent(Body::from(Err(refusal.clone())));
        let arrived: Body = serde_json::from_value(sent).expect("as it was sent");
        assert_eq!(arrived.into_proposed(), Err(refusal));
    }

    #[test]
    fn an_answer_without_a_time_is_that_of_earlier_versions() {
        let sent = as_sent(Body::Rollout(day_used_up(None).into()));
        let failure = json!({"outcome": "failed", "kind": "transient", "message": "used up"});
        assert_eq!(sent["rollout"]["outcome"], failure, "{sent}");
        let refusal = ProposerError::new(ProposerErrorKind::ProviderDown, "used up");
        let sent = as_sent(Body::from(Err(refusal.clone())));
        assert!(sent["not_proposed"].get("goes_on_at").is_none(), "{sent}");
        let arrived: Body = serde_json::from_value(sent).expect("as it was sent");
        assert_eq!(arrived.into_proposed(), Err(refusal));
    }
}
