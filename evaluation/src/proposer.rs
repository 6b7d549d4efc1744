//! The seam that writes new texts for the components of a candidate.

use std::sync::Arc;

use async_trait::async_trait;
use gepa_archive::Candidate;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    CallLimit, ExampleId, Message, ModelError, ModelErrorKind, REASONING_KEY, Scored,
    TextRequirements, Usage, UsageBound,
};

/// Writes new texts from what a candidate did on a few examples.
///
/// **The caller** may call from many tasks at once, drops the future to cancel, journals each answer,
/// checks each text by the rules of its component, and asks again with a complaint, a bounded number
/// of times, where there was no usable text. It never asks again for what is journaled: a resumed or
/// replayed run needs no proposer for its past.
///
/// **The implementor** answers for the requested components and for no others, reports usage for
/// failures as well, and bounds its own time.
#[async_trait]
pub trait Proposer: Send + Sync {
    /// Writes new texts.
    async fn propose(&self, request: ProposalRequest) -> Result<ProposedTexts, ProposerError>;

    /// Whether a call is for all components of a proposal that are to be rewritten. Otherwise each
    /// component has a call of its own, at the same time as the others. Every component counts as
    /// one reflection call either way.
    fn takes_all_components(&self) -> bool {
        true
    }

    /// The most this call can cost, where that is known beforehand.
    fn usage_bound(&self, _request: &ProposalRequest) -> Option<UsageBound> {
        None
    }

    /// What this call is likely to cost, for plans. It limits nothing.
    fn usage_estimate(&self, _request: &ProposalRequest) -> Option<UsageBound> {
        None
    }

    /// Whether the price of its calls is known, so that their cost can be bounded and summed up.
    fn is_priced(&self) -> bool {
        true
    }

    /// The reason why calls wait at this moment, for people; `None` if none has to wait.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// What the limits on its model calls allow at this moment.
    fn call_limits(&self) -> Vec<CallLimit> {
        Vec::new()
    }

    /// The caller is leaving: proposals that wait for a model's turn, a limit or the end of an outage
    /// end at once, as [`ProposerErrorKind::ProviderDown`]. Calls in flight are not touched.
    fn stop_waiting(&self) {}
}

/// The input from which new texts are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProposalRequest {
    /// The run this belongs to.
    pub run_id: Arc<str>,
    /// The iteration.
    pub iteration: u64,
    /// The parent, whose components are to be rewritten.
    pub candidate: Arc<Candidate>,
    /// The components to rewrite; at least one.
    pub components: Vec<ComponentRequest>,
    /// The parent's results on its minibatch: one record for each example that has a score.
    pub records: Vec<ReflectiveRecord>,
    /// Earlier attempts that the policy remembers; empty where it has no memory.
    pub earlier: Vec<EarlierAttempt>,
    /// What a person who watches the run wants the new texts to take into account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Arc<str>>,
    /// Different texts wanted for each component; at least 1.
    pub texts: u32,
}

/// A component to rewrite, and what its new text must satisfy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComponentRequest {
    /// Its name.
    pub name: Arc<str>,
    /// Which attempt at it this is in the present proposal, from 1.
    pub attempt: u32,
    /// Why the answer of the last attempt could not be used.
    pub complaint: Option<String>,
    /// Wildcards that the new text must keep, without their braces.
    pub wildcards: Vec<Arc<str>>,
    /// Most characters of the new text.
    pub max_chars: usize,
    /// What else the new text must satisfy.
    #[serde(default, skip_serializing_if = "TextRequirements::is_empty")]
    pub requirements: TextRequirements,
    /// A new text that was too long. The answer is to be a shorter form of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shorten: Option<Arc<str>>,
}

/// A rewrite that was tried before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlierAttempt {
    /// The component.
    pub component: Arc<str>,
    /// The text that was tried.
    pub text: Arc<str>,
    /// Its score less its parent's, summed over the examples on which both were scored; `None` if
    /// there were none.
    pub gain: Option<f64>,
    /// Whether the candidate with this text entered the archive.
    pub accepted: bool,
}

/// The answer to a [`ProposalRequest`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProposedTexts {
    /// The new texts by component: first the one to try, then further ones where several were wanted.
    pub texts: IndexMap<Arc<str>, Vec<String>>,
    /// Why further texts of the reply could not be read, by component.
    pub unread: IndexMap<Arc<str>, Vec<String>>,
    /// The cost of the new texts.
    pub usage: Usage,
    /// The reply they were read from, where there was one; it is journaled with them.
    pub reply: Option<String>,
    /// The messages that a model was sent, where they are to be journaled with the reply.
    pub sent: Vec<Message>,
}

/// A proposal for which there are no new texts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ProposerError {
    /// The kind of failure, which decides what happens next.
    pub kind: ProposerErrorKind,
    /// The cause and the remedy, for people and for the next attempt's complaint.
    pub message: String,
    /// The cost of the failed call.
    pub usage: Usage,
    /// The reply that could not be used, where there was one.
    pub reply: Option<String>,
    /// What a model was sent, where it is to be journaled.
    pub sent: Option<Box<SentPrompt>>,
    /// When calls of the model go on, in seconds since the Unix epoch, where the provider is down and that is known.
    pub goes_on_at: Option<u64>,
}

/// The messages of one call of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentPrompt {
    /// The messages, in order.
    pub messages: Vec<Message>,
}

/// The kinds of failure to propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProposerErrorKind {
    /// The reply holds no new text.
    NoText,
    /// The reply was cut off before the new text was complete.
    Truncated,
    /// The proposer declined.
    Refused,
    /// The reply changes places that the present text does not have, or has more than once.
    NotApplicable,
    /// The provider refused the key: no call with it will ever work, so the run ends.
    KeyRejected,
    /// The provider is down and stayed down: the run pauses, and nothing is journaled.
    ProviderDown,
    /// The call itself failed.
    Failed,
}

impl ProposerError {
    /// A failure that cost nothing.
    pub fn new(kind: ProposerErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            usage: Usage::default(),
            reply: None,
            sent: None,
            goes_on_at: None,
        }
    }
}

impl From<ModelError> for ProposerError {
    fn from(error: ModelError) -> Self {
        let kind = match error.kind {
            ModelErrorKind::Refused => ProposerErrorKind::Refused,
            ModelErrorKind::KeyRejected => ProposerErrorKind::KeyRejected,
            ModelErrorKind::ProviderDown
            | ModelErrorKind::Account
            | ModelErrorKind::DayUsedUp { .. }
            | ModelErrorKind::Unreachable => ProposerErrorKind::ProviderDown,
            ModelErrorKind::Transient | ModelErrorKind::Permanent | ModelErrorKind::Timeout => {
                ProposerErrorKind::Failed
            }
        };
        Self {
            usage: error.usage,
            goes_on_at: error.kind.goes_on_at(),
            ..Self::new(kind, error.message)
        }
    }
}

/// The parent's result on one example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReflectiveRecord {
    /// The example.
    pub example: ExampleId,
    /// Score, feedback, output and trace.
    pub scored: Scored,
}

/// Headings and values of one example, in order.
pub type ExampleRecord = Vec<(String, Value)>;

/// Heading under which evaluators say what went in.
const INPUTS: &str = "Inputs";
/// Heading of what came out.
const OUTPUTS: &str = "Generated Outputs";
/// Heading of the judgement.
const FEEDBACK: &str = "Feedback";
/// Key of a trace that holds records for single components.
const COMPONENTS: &str = "components";

impl ReflectiveRecord {
    /// The record that is shown for one component: the headings of the trace, those of the
    /// component's own part of the trace, then output and feedback where the trace has no such
    /// heading.
    pub fn headings(&self, component: &str) -> ExampleRecord {
        let scored = &self.scored;
        let mut record = ExampleRecord::new();
        match &scored.trace {
            Some(Value::Object(trace)) => {
                extend(&mut record, trace);
                if let Some(Value::Object(own)) =
                    trace.get(COMPONENTS).and_then(|all| all.get(component))
                {
                    extend(&mut record, own);
                }
            }
            Some(other) => record.push((INPUTS.to_owned(), other.clone())),
            None => {}
        }
        if let Some(output) = &scored.output {
            add_missing(&mut record, OUTPUTS, output);
        }
        match &scored.feedback {
            Some(feedback) => add_missing(&mut record, FEEDBACK, feedback),
            None => add_missing(&mut record, FEEDBACK, &format!("score: {}", scored.score)),
        }
        record
    }
}

fn extend(record: &mut ExampleRecord, fields: &Map<String, Value>) {
    for (name, value) in fields {
        if name != COMPONENTS && name != REASONING_KEY {
            record.retain(|(known, _)| known != name);
            record.push((name.clone(), value.clone()));
        }
    }
}

fn add_missing(record: &mut ExampleRecord, name: &str, text: &str) {
    if !record.iter().any(|(known, _)| known == name) {
        record.push((name.to_owned(), Value::from(text)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_component_sees_its_own_part_of_the_trace_and_no_other() {
        let scored = Scored {
            score: 0.0,
            output: Some("out".to_owned()),
            feedback: Some("wrong".to_owned()),
            trace: Some(json!({
                "Inputs": "in",
                "components": {"plan": {"Step": "mine"}, "act": {"Step": "other"}},
            })),
            ..Scored::default()
        };
        let record = ReflectiveRecord {
            example: ExampleId::Seed(3),
            scored,
        };
        assert_eq!(
            record.headings("plan"),
            vec![
                ("Inputs".to_owned(), json!("in")),
                ("Step".to_owned(), json!("mine")),
                ("Generated Outputs".to_owned(), json!("out")),
                ("Feedback".to_owned(), json!("wrong")),
            ]
        );
    }
}
