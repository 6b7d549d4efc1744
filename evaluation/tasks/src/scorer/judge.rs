//! A model as the judge.

use std::fmt;
use std::sync::Arc;

use gepa_archive::Candidate;

use super::ScorerError;
use super::input::{Judgement, ScorerInput, Verdict, failure, quoted};
use super::judge_reply::ReplyReader;
use gepa_evaluation::{
    ChatRequest, Completion, Failure, FailureKind, FinishReason, LanguageModel, Message, MicroUsd,
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
        for name in wildcards_in(prompt) {
            if let Some(meant) = meant_by(&name) {
                let name = name.to_string();
                return Err(ScorerError::UnknownWildcard { name, meant });
            }
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
        let mut last = (Unscored::NoScore, String::new());
        for _ in 0..MOST_ASKS {
            let request = ChatRequest {
                messages: messages.clone(),
                purpose: Purpose::Judge,
            };
            let completion = match self.judge.complete(request).await {
                Ok(completion) => completion,
                Err(error) => {
                    usage += error.usage;
                    return Judgement {
                        provider_down: error.kind.is_outage(),
                        verdict: Err(failure_of_call(&error.into_failure())),
                        usage,
                    };
                }
            };
            usage += completion.usage;
            let verdict = match self.read(&completion) {
                Ok(verdict) => Ok(verdict),
                Err(Unscored::Refused) => {
                    Err(failure(FailureKind::Refused, "the judge refused to judge"))
                }
                Err(unscored) => {
                    let reply = quoted(&completion.text);
                    messages.truncate(first);
                    messages.push(unscored.complaint(&reply));
                    last = (unscored, reply);
                    continue;
                }
            };
            return Judgement {
                verdict,
                usage,
                provider_down: false,
            };
        }
        let (unscored, reply) = last;
        let why = unscored.reason();
        let message =
            format!("the judge gave no score in {MOST_ASKS} replies; the last one {why}: {reply}");
        Judgement {
            verdict: Err(failure(FailureKind::Transient, message)),
            usage,
            provider_down: false,
        }
    }

    /// The verdict in a reply that ended normally. Any other reply may be incomplete.
    fn read(&self, completion: &Completion) -> Result<Verdict, Unscored> {
        match &completion.finish_reason {
            FinishReason::Stop => self.reader.read(&completion.text).ok_or(Unscored::NoScore),
            FinishReason::Refusal => Err(Unscored::Refused),
            FinishReason::Length => Err(Unscored::CutOff),
            FinishReason::ToolCalls => Err(Unscored::CallsTools),
            FinishReason::Other(end) => Err(Unscored::EndedOtherwise(end.clone())),
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

/// The wildcard that a judge's prompt means by another usual name for it. Other names in braces are text,
/// such as the form of the reply.
fn meant_by(name: &str) -> Option<&'static str> {
    Some(match name {
        "question" | "query" | "inputs" | "prompt" | "task" | "problem" => "input",
        "response" | "answer" | "completion" | "prediction" | "generation" | "outputs" => "output",
        "reference" | "target" | "label" | "gold" | "ground_truth" | "reference_answer"
        | "expected_answer" | "expected_output" | "correct_answer" | "ideal" => "expected",
        _ => return None,
    })
}

/// Why a reply of the judge is no verdict.
enum Unscored {
    NoScore,
    CutOff,
    CallsTools,
    EndedOtherwise(String),
    Refused,
}

impl Unscored {
    /// The reason as the end of a sentence about the reply.
    fn reason(&self) -> String {
        match self {
            Self::NoScore => {
                "has no score from 0 to 1, in JSON or as `Score: 0.5`, or several".to_owned()
            }
            Self::CutOff => "was cut off at the token limit (raise `judge.max_tokens`)".to_owned(),
            Self::CallsTools => "calls tools instead of judging".to_owned(),
            Self::EndedOtherwise(end) => {
                format!("did not end normally (finish reason `{end}`), so it may be incomplete")
            }
            Self::Refused => "is a refusal".to_owned(),
        }
    }

    fn complaint(&self, reply: &str) -> Message {
        let (fault, demand) = match self {
            Self::NoScore => (
                "had no score from 0 to 1, or several without a total",
                "Judge again",
            ),
            Self::CutOff => (
                "was cut off at the token limit, so it was not read",
                "Judge again in fewer words",
            ),
            Self::CallsTools => (
                "called tools instead of judging",
                "Judge again without tools",
            ),
            Self::EndedOtherwise(_) | Self::Refused => {
                ("did not end normally, so it was not read", "Judge again")
            }
        };
        let text = format!(
            "Your reply to this {fault}: {reply}\n\
             {demand}, and end with one line: `Score: ` and a number from 0 to 1."
        );
        Message::new("user", text)
    }
}

/// The failure of a call to the judge. What keeps a judge from judging is no failure of the candidate,
/// so it is transient, unless the judge declined what it was to read or the whole run has to end.
fn failure_of_call(failed: &Failure) -> Failure {
    let kind = match failed.kind {
        FailureKind::Permanent | FailureKind::Timeout if !failed.fatal => FailureKind::Transient,
        kind => kind,
    };
    Failure {
        kind,
        message: format!("the judge failed: {}", failed.message),
        ..failed.clone()
    }
}
