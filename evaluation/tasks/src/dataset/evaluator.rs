//! Rows, prompt, policy model, scorer: one rollout.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use indexmap::IndexMap;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{Dataset, DatasetError, Row, check_answers};
use crate::scorer::{Scorer, ScorerError, ScorerInput};
use gepa_evaluation::{
    CallLimit, ChatRequest, Completion, Evaluation, Evaluator, EvaluatorInfo, ExampleId, Failure,
    FailureKind, FinishReason, LanguageModel, Message, Outcome, PromptTemplate, Purpose,
    REASONING_KEY, RolloutRequest, ScoreRange, Scored, SplitReply, Usage, UsageBound,
    split_reasoning,
};

/// Above this length, in bytes, an answer has no useful bound.
const LARGEST_BOUNDED_OUTPUT: usize = 64 * 1024 * 1024;

/// Most answers that are kept for another attempt at scoring them.
const MOST_UNSCORED: usize = 4096;

/// Runs a prompt over the rows of a dataset: fills its wildcards from the row, lets the policy
/// model answer, scores the answer.
pub struct DatasetEvaluator {
    dataset: Arc<Dataset>,
    prompt: PromptTemplate,
    policy: Arc<dyn LanguageModel>,
    scorer: Scorer,
    trusts_policy: bool,
    keeps_reasoning: bool,
    score_range: Option<ScoreRange>,
    /// Answers that were paid for and could not be scored for a temporary reason. The next attempt
    /// scores them and does not call the policy again.
    unscored: Mutex<IndexMap<(Arc<str>, ExampleId), Answer>>,
}

impl DatasetEvaluator {
    /// Puts the parts together; refuses a dataset with answers the scorer cannot compare with.
    pub fn new(
        dataset: Arc<Dataset>,
        prompt: PromptTemplate,
        policy: Arc<dyn LanguageModel>,
        scorer: Scorer,
    ) -> Result<Self, DatasetError> {
        check_answers(&dataset, &scorer)?;
        let score_range = scorer.score_range();
        Ok(Self {
            dataset,
            prompt,
            policy,
            scorer,
            trusts_policy: false,
            keeps_reasoning: false,
            score_range,
            unscored: Mutex::default(),
        })
    }

    /// Treats the policy as deterministic although the model does not promise it: for a model
    /// asked to answer at temperature 0, when the user wants known outcomes to be reused.
    #[must_use]
    pub fn trusting_policy(mut self) -> Self {
        self.trusts_policy = true;
        self
    }

    /// Starts the programs of its scorer. Without this call they start with the first answer.
    pub async fn start(&self) -> Result<(), ScorerError> {
        self.scorer.start().await
    }

    /// Scores replies with the reasoning they begin with, such as `<think>..</think>`, which is taken
    /// off otherwise.
    #[must_use]
    pub fn keeping_reasoning(mut self) -> Self {
        self.keeps_reasoning = true;
        self
    }

    /// Sets the range of a scorer whose own is not known, that of a program.
    #[must_use]
    pub fn with_score_range(mut self, range: ScoreRange) -> Self {
        self.score_range = Some(range);
        self
    }

    fn messages(&self, request: &RolloutRequest, row: &Row) -> Vec<Message> {
        self.prompt
            .render(&request.candidate, |name| row.prompt_text(name))
    }

    async fn run(&self, request: &RolloutRequest, row: &Row) -> Evaluation {
        if let Some(answer) = self.take_unscored(request) {
            return self.judge(request, row, answer, Usage::default()).await;
        }
        let chat = ChatRequest {
            messages: self.messages(request, row),
            purpose: Purpose::Rollout,
        };
        let completion = match self.policy.complete(chat).await {
            Ok(completion) => completion,
            Err(error) => {
                return Evaluation {
                    usage: error.usage,
                    judge_usage: Usage::default(),
                    provider_down: error.kind.is_outage(),
                    outcome: Outcome::Failed(error.into_failure()),
                };
            }
        };
        if completion.finish_reason == FinishReason::Refusal {
            let refusal = Outcome::failed(FailureKind::Refused, refusal_message(&completion.text));
            return Evaluation::with_usage(refusal, completion.usage);
        }
        match answer_of(&completion, self.keeps_reasoning) {
            Ok(answer) => self.judge(request, row, answer, completion.usage).await,
            Err(failure) => Evaluation::with_usage(Outcome::Failed(failure), completion.usage),
        }
    }

    fn take_unscored(&self, request: &RolloutRequest) -> Option<Answer> {
        let key = (Arc::clone(&request.trial_id), request.example.clone());
        self.unscored.lock().shift_remove(&key)
    }

    fn keep_unscored(&self, request: &RolloutRequest, answer: Answer) {
        let key = (Arc::clone(&request.trial_id), request.example.clone());
        let mut unscored = self.unscored.lock();
        // If the next attempt never happens, its answer stays here; the oldest one is dropped.
        if unscored.len() >= MOST_UNSCORED {
            unscored.shift_remove_index(0);
        }
        unscored.insert(key, answer);
    }

    async fn judge(
        &self,
        request: &RolloutRequest,
        row: &Row,
        answer: Answer,
        usage: Usage,
    ) -> Evaluation {
        let input = input_text(row);
        let judgement = self
            .scorer
            .score(&ScorerInput {
                example: &request.example,
                input: &input,
                output: &answer.text,
                expected: row.answer(),
            })
            .await;
        let outcome = match judgement.verdict {
            Err(failure) => {
                if failure.kind.is_retryable() || judgement.provider_down {
                    self.keep_unscored(request, answer);
                }
                Outcome::Failed(failure)
            }
            Ok(verdict) => Outcome::Scored(Scored {
                score: verdict.score,
                objectives: verdict.objectives,
                feedback: with_notes(verdict.feedback, answer.note),
                trace: request
                    .wants_trace()
                    .then(|| self.trace(request, row, answer.reasoning)),
                output: Some(answer.text),
            })
            .checked()
            .within(self.score_range),
        };
        Evaluation {
            outcome,
            usage,
            judge_usage: judgement.usage,
            provider_down: judgement.provider_down,
        }
    }

    /// The fields the prompt shows; where it shows none, every input of the row.
    fn trace(&self, request: &RolloutRequest, row: &Row, reasoning: Option<String>) -> Value {
        let shown: Map<String, Value> = self
            .prompt
            .shown(&request.candidate, |name| row.prompt_text(name))
            .into_iter()
            .filter_map(|name| Some((name.to_string(), row.value(&name)?)))
            .collect();
        let inputs = if shown.is_empty() {
            row.input_values()
        } else {
            shown
        };
        let mut trace = Map::from_iter([("Inputs".to_owned(), Value::Object(inputs))]);
        if let Some(reasoning) = reasoning {
            trace.insert(REASONING_KEY.to_owned(), Value::String(reasoning));
        }
        Value::Object(trace)
    }
}

impl fmt::Debug for DatasetEvaluator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DatasetEvaluator")
            .field("rows", &self.dataset.rows().len())
            .field("prompt", &self.prompt)
            .field("policy", &self.policy.info())
            .field("scorer", &self.scorer)
            .field("trusts_policy", &self.trusts_policy)
            .field("keeps_reasoning", &self.keeps_reasoning)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Evaluator for DatasetEvaluator {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        match self.dataset.row(&request.example) {
            Some(row) => self.run(&request, row).await,
            None => Evaluation::free(Outcome::failed(
                FailureKind::Permanent,
                format!(
                    "the dataset has no example `{}`; check the ids of the sets",
                    request.example
                ),
            )),
        }
    }

    fn is_deterministic(&self) -> bool {
        (self.policy.is_deterministic() || self.trusts_policy) && self.scorer.is_deterministic()
    }

    fn score_range(&self) -> Option<ScoreRange> {
        self.score_range
    }

    fn usage_bound(&self, request: &RolloutRequest) -> Option<UsageBound> {
        let row = self.dataset.row(&request.example)?;
        let policy = self.policy.usage_bound(&self.messages(request, row))?;
        // A token of output has rarely more than 8 bytes, and the policy's bound counts its prompt
        // as well, so this covers any answer the policy can afford.
        let output_bytes = usize::try_from(policy.tokens).ok()?.checked_mul(8)?;
        if output_bytes > LARGEST_BOUNDED_OUTPUT {
            return None;
        }
        let judge = self
            .scorer
            .usage_bound(&input_text(row), row.answer(), output_bytes)?;
        Some(UsageBound {
            tokens: policy.tokens.saturating_add(judge.tokens),
            cost: policy.cost + judge.cost,
        })
    }

    fn usage_estimate(&self, request: &RolloutRequest) -> Option<UsageBound> {
        let row = self.dataset.row(&request.example)?;
        let messages = self.messages(request, row);
        let policy = self.policy.usage_estimate(&messages, Purpose::Rollout)?;
        let Some(judge) = self.scorer.judge() else {
            return Some(policy);
        };
        // A judge reads the inputs and the answer in place of the prompt.
        let judged = judge.usage_estimate(&messages, Purpose::Judge)?;
        Some(UsageBound {
            tokens: policy.tokens + judged.tokens,
            cost: policy.cost + judged.cost,
        })
    }

    fn obstacle(&self) -> Option<String> {
        let judge = || self.scorer.judge()?.obstacle();
        self.policy.obstacle().or_else(judge)
    }

    fn is_priced(&self) -> bool {
        let judge = self.scorer.judge();
        self.policy.is_priced() && judge.is_none_or(LanguageModel::is_priced)
    }

    fn call_limits(&self) -> Vec<CallLimit> {
        let judge = self.scorer.judge().and_then(LanguageModel::call_limit);
        let policy = self.policy.call_limit();
        CallLimit::of_all([Vec::from_iter(policy), Vec::from_iter(judge)])
    }

    fn stop_waiting(&self) {
        self.policy.stop_waiting();
        if let Some(judge) = self.scorer.judge() {
            judge.stop_waiting();
        }
    }

    fn info(&self) -> EvaluatorInfo {
        let policy = self.policy.info();
        EvaluatorInfo {
            kind: "dataset".to_owned(),
            policy_provider: policy.provider,
            policy_model: policy.model,
        }
    }
}

/// The text that is scored, and a note on it for the reader of the feedback.
struct Answer {
    text: String,
    /// The reasoning that was removed from the beginning.
    reasoning: Option<String>,
    note: Option<&'static str>,
}

fn refusal_message(text: &str) -> String {
    match text.trim() {
        "" => "the model refused to answer".to_owned(),
        said => format!("the model refused to answer: {said}"),
    }
}

/// The answer in a completion. An empty text is no answer but a failure.
fn answer_of(completion: &Completion, keeps_reasoning: bool) -> Result<Answer, Failure> {
    let said = if keeps_reasoning {
        SplitReply {
            reasoning: None,
            answer: &completion.text,
        }
    } else {
        split_reasoning(&completion.text)
    };
    let reasoning = said.reasoning.or(completion.reasoning.as_deref());
    let is_empty = said.answer.trim().is_empty();
    let only_tools = is_empty && !completion.tool_calls.is_empty();
    if is_empty && !only_tools {
        return Err(no_answer(completion, reasoning.is_some()));
    }
    let text = if only_tools {
        Value::Array(completion.tool_calls.clone()).to_string()
    } else {
        said.answer.to_owned()
    };
    let note = if completion.finish_reason == FinishReason::Length {
        Some("The response was cut off at the token limit; a shorter one would be complete.")
    } else if only_tools {
        Some("The response consists of tool calls and no text.")
    } else {
        None
    };
    Ok(Answer {
        text,
        reasoning: reasoning.map(str::to_owned),
        note,
    })
}

fn no_answer(completion: &Completion, has_reasoning: bool) -> Failure {
    let what = if has_reasoning {
        "the model gave no answer, only reasoning"
    } else {
        "the model gave no answer: its reply is empty"
    };
    let tokens = completion.usage.completion_tokens;
    match &completion.finish_reason {
        FinishReason::Length => Failure::new(
            FailureKind::Permanent,
            format!(
                "{what}; it was cut off after {tokens} tokens (finish_reason `length`); raise \
                 `policy.max_tokens`"
            ),
        ),
        FinishReason::Other(reason) => Failure::new(
            FailureKind::Transient,
            format!("{what} (finish_reason `{reason}`)"),
        ),
        // Another attempt may bring an answer, as for a reply without content.
        _ => Failure::new(
            FailureKind::Transient,
            format!("{what}, of {tokens} tokens"),
        ),
    }
}

fn with_notes(feedback: Option<String>, note: Option<&str>) -> Option<String> {
    match (feedback, note) {
        (Some(feedback), Some(note)) => Some(format!("{feedback} {note}")),
        (None, Some(note)) => Some(note.to_owned()),
        (feedback, None) => feedback,
    }
}

fn input_text(row: &Row) -> String {
    let lines: Vec<String> = row
        .inputs()
        .map(|(name, text)| format!("{name}: {text}"))
        .collect();
    lines.join("\n")
}
