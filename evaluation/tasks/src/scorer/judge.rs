//! A model as the judge.

use std::fmt;
use std::sync::Arc;

use gepa_archive::Candidate;

use super::ScorerError;
use super::input::{Judgement, ScorerInput, failure, quoted};
use super::judge_reply::ReplyReader;
use gepa_evaluation::{
    ChatRequest, Failure, FailureKind, FinishReason, LanguageModel, Message, MicroUsd,
    PromptMessage, PromptTemplate, Purpose, Usage, UsageBound, wildcards_in,
};

/// Calls to the judge for one verdict, at most.
const MOST_ASKS: u64 = 3;

/// Longest complaint about a reply without a score, in bytes.
const LONGEST_COMPLAINT: usize = 2_000;

pub(super) struct JudgeScorer {
    prompt: String,
    template: PromptTemplate,
    /// The template is fixed text; rendering asks for a candidate all the same.
    no_candidate: Candidate,
    reader: ReplyReader,
    judge: Arc<dyn LanguageModel>,
}

impl fmt::Debug for JudgeScorer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JudgeScorer")
            .field("prompt", &self.prompt)
            .field("judge", &self.judge.info())
            .finish_non_exhaustive()
    }
}

impl JudgeScorer {
    pub(super) fn new(
        prompt: &str,
        judge: Option<Arc<dyn LanguageModel>>,
    ) -> Result<Self, ScorerError> {
        if !wildcards_in(prompt).iter().any(|name| &**name == "output") {
            return Err(ScorerError::EmptyPrompt);
        }
        let message = PromptMessage {
            role: "user".to_owned(),
            component: None,
            pattern: prompt.to_owned(),
        };
        Ok(Self {
            prompt: prompt.to_owned(),
            template: PromptTemplate {
                messages: vec![message],
            },
            no_candidate: Candidate::new([("judge", prompt)])
                .expect("one component with a name is a candidate"),
            reader: ReplyReader::new(),
            judge: judge.ok_or(ScorerError::NoJudge)?,
        })
    }

    pub(super) fn model(&self) -> &dyn LanguageModel {
        &*self.judge
    }

    pub(super) fn is_deterministic(&self) -> bool {
        self.judge.is_deterministic()
    }

    pub(super) fn needs_expected(&self) -> bool {
        wildcards_in(&self.prompt)
            .iter()
            .any(|name| &**name == "expected")
    }

    pub(super) fn usage_bound(
        &self,
        input: &str,
        expected: Option<&str>,
        output_bytes: usize,
    ) -> Option<UsageBound> {
        let longest = "x".repeat(output_bytes);
        let mut messages = self.messages(input, &longest, expected);
        messages.push(Message::new("user", "x".repeat(LONGEST_COMPLAINT)));
        let one = self.judge.usage_bound(&messages)?;
        Some(UsageBound {
            tokens: one.tokens.saturating_mul(MOST_ASKS),
            cost: MicroUsd(one.cost.0.saturating_mul(MOST_ASKS)),
        })
    }

    /// Asks until a reply has a score, each time with the complaint about the last reply. A judge
    /// without a usable reply does not cause another call of the policy.
    pub(super) async fn score(&self, input: &ScorerInput<'_>) -> Judgement {
        let mut usage = Usage::default();
        let mut messages = self.messages(input.input, input.output, input.expected);
        let first = messages.len();
        let mut reply = String::new();
        for _ in 0..MOST_ASKS {
            let request = ChatRequest {
                messages: messages.clone(),
                purpose: Purpose::Judge,
            };
            let completion = match self.judge.complete(request).await {
                Ok(completion) => completion,
                Err(error) => {
                    usage += error.usage;
                    let provider_down = error.kind.is_outage();
                    let failure = error.into_failure();
                    return Judgement {
                        verdict: Err(Failure {
                            message: format!("the judge failed: {}", failure.message),
                            ..failure
                        }),
                        usage,
                        provider_down,
                    };
                }
            };
            usage += completion.usage;
            let verdict = if completion.finish_reason == FinishReason::Refusal {
                Some(Err(failure(
                    FailureKind::Refused,
                    "the judge refused to judge",
                )))
            } else {
                self.reader.read(&completion.text).map(Ok)
            };
            if let Some(verdict) = verdict {
                return Judgement {
                    verdict,
                    usage,
                    provider_down: false,
                };
            }
            reply = quoted(&completion.text);
            messages.truncate(first);
            messages.push(complaint(&reply));
        }
        let message = format!(
            "the judge's reply has no score from 0 to 1, in JSON or as `Score: 0.5`, and had none \
             when it was asked again: {reply}"
        );
        Judgement {
            verdict: Err(failure(FailureKind::Permanent, message)),
            usage,
            provider_down: false,
        }
    }

    fn messages(&self, input: &str, output: &str, expected: Option<&str>) -> Vec<Message> {
        self.template.render(&self.no_candidate, |name| match name {
            "input" => Some(input),
            "output" => Some(output),
            "expected" => expected,
            _ => None,
        })
    }
}

fn complaint(reply: &str) -> Message {
    let text = format!(
        "Your reply to this had no score from 0 to 1: {reply}\n\
         Judge again, and end with one line: `Score: ` and a number from 0 to 1."
    );
    Message::new("user", text)
}
