//! A model as the judge.

use std::fmt;
use std::sync::Arc;

use gepa_archive::Candidate;
use serde_json::Value;

use super::ScorerError;
use super::input::{Judgement, ScorerInput, Verdict, failure, quoted};
use super::json_field::json_in;
use gepa_evaluation::{
    ChatRequest, Completion, Failure, FailureKind, FinishReason, LanguageModel, Message,
    ModelErrorKind, PromptMessage, PromptTemplate, Purpose, UsageBound, wildcards_in,
};

pub(super) struct JudgeScorer {
    prompt: String,
    template: PromptTemplate,
    /// The template is fixed text; rendering asks for a candidate all the same.
    no_candidate: Candidate,
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
            judge: judge.ok_or(ScorerError::NoJudge)?,
        })
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
        self.judge
            .usage_bound(&self.messages(input, &longest, expected))
    }

    pub(super) async fn score(&self, input: &ScorerInput<'_>) -> Judgement {
        let request = ChatRequest {
            messages: self.messages(input.input, input.output, input.expected),
            purpose: Purpose::Judge,
        };
        match self.judge.complete(request).await {
            Ok(completion) => Judgement {
                verdict: self.verdict(&completion),
                usage: completion.usage,
                provider_down: false,
            },
            Err(error) => {
                let (usage, kind) = (error.usage, error.kind);
                let failure = error.into_failure();
                Judgement {
                    verdict: Err(Failure {
                        message: format!("the judge failed: {}", failure.message),
                        ..failure
                    }),
                    usage,
                    provider_down: kind == ModelErrorKind::ProviderDown,
                }
            }
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

    fn verdict(&self, completion: &Completion) -> Result<Verdict, Failure> {
        if completion.finish_reason == FinishReason::Refusal {
            return Err(failure(FailureKind::Refused, "the judge refused to judge"));
        }
        parse_verdict(&completion.text).ok_or_else(|| {
            // Another sample may be well-formed, the same one never will.
            let kind = if self.is_deterministic() {
                FailureKind::Permanent
            } else {
                FailureKind::Transient
            };
            let message = format!(
                "the judge's reply has no score from 0 to 1, in JSON or as `Score: 0.5`: {}",
                quoted(&completion.text)
            );
            failure(kind, message)
        })
    }
}

fn parse_verdict(reply: &str) -> Option<Verdict> {
    let (score, feedback) = if let Some(Value::Object(fields)) = json_in(reply) {
        let feedback = fields.get("feedback").and_then(Value::as_str);
        (fields.get("score")?.as_f64()?, feedback.map(str::to_owned))
    } else {
        let score = reply.lines().find_map(score_line)?;
        (score, Some(reply.trim().to_owned()))
    };
    (0.0..=1.0).contains(&score).then(|| Verdict {
        score,
        feedback,
        ..Verdict::default()
    })
}

fn score_line(line: &str) -> Option<f64> {
    let plain = line.replace(['*', '`'], "");
    let (name, value) = plain.split_once(':')?;
    if !name.trim().eq_ignore_ascii_case("score") {
        return None;
    }
    value.trim().parse().ok()
}
