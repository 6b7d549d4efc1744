//! The provider `rulebook`, which serves as policy and as reflection model.

use async_trait::async_trait;

use super::forms::{edit, most_chars, shortened, wants_edits};
use super::grammar::{labels_named, read_prompt};
use super::inputs::Inputs;
use super::learner::rewrite;
use super::reflection_prompt::read_reflection_prompt;
use super::writing::write_prompt;
use gepa_evaluation::{
    ChatRequest, Completion, FinishReason, LanguageModel, Message, ModelError, ModelErrorKind,
    ModelInfo, Purpose, Usage, UsageBound, run_cpu,
};

/// The deterministic instruction follower. It needs no network and costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RulebookModel;

/// Tokens of a usual rewriting, for estimates.
const USUAL_REWRITING: u64 = 400;

/// The most tokens of rules that a reflection can add to those of its prompt.
const LARGEST_GROWTH: u64 = 10_000;
/// The most versions that a reflection writes.
const MOST_VERSIONS: u32 = 16;
/// Upper bound on the tokens of the sentence before the fence.
const PREFACE: u64 = 50;

#[async_trait]
impl LanguageModel for RulebookModel {
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError> {
        let usage = Usage {
            calls: 1,
            prompt_tokens: prompt_tokens(&request.messages),
            ..Usage::default()
        };
        let text = match request.purpose {
            Purpose::Rollout => answer(&request.messages),
            Purpose::Reflection => {
                let prompt = joined(&request.messages);
                run_cpu(move || reflect(&prompt))
                    .await
                    .ok_or_else(|| ModelError {
                        kind: ModelErrorKind::Permanent,
                        message: "the rulebook model stopped on this reflection prompt".to_owned(),
                        usage,
                    })?
            }
            Purpose::Judge => {
                return Err(ModelError {
                    kind: ModelErrorKind::Permanent,
                    message: "the rulebook model cannot judge answers; configure another judge model or another scorer".to_owned(),
                    usage: Usage::default(),
                });
            }
        };
        Ok(Completion {
            usage: Usage {
                completion_tokens: tokens_of(&text),
                ..usage
            },
            text,
            reasoning: None,
            finish_reason: FinishReason::Stop,
            tool_calls: Vec::new(),
        })
    }

    fn usage_bound(&self, messages: &[Message]) -> Option<UsageBound> {
        let prompt = prompt_tokens(messages);
        // Only a reflection prompt shows examples, and only a reflection writes more than it reads.
        let shows_examples = messages
            .iter()
            .any(|message| message.content.contains("# Example "));
        let growth = if shows_examples { LARGEST_GROWTH } else { 0 };
        let versions = u64::from(versions_asked(&joined(messages)));
        Some(UsageBound {
            tokens: prompt + versions * (prompt + growth) + PREFACE,
            ..UsageBound::default()
        })
    }

    fn usage_estimate(&self, messages: &[Message], purpose: Purpose) -> Option<UsageBound> {
        let completion = match purpose {
            Purpose::Reflection => USUAL_REWRITING,
            Purpose::Rollout | Purpose::Judge => 1,
        };
        Some(UsageBound {
            tokens: prompt_tokens(messages) + completion,
            ..UsageBound::default()
        })
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: "rulebook".to_owned(),
            model: "rulebook".to_owned(),
        }
    }
}

/// Applies the rules of the prompt to the inputs of the last user message.
fn answer(messages: &[Message]) -> String {
    let prompt = read_prompt(&joined(messages));
    let asked = messages
        .iter()
        .rfind(|message| message.role == "user")
        .or(messages.last());
    let inputs = asked.map_or_else(Inputs::default, |message| {
        Inputs::in_message(&read_prompt(&message.content).prose)
    });
    prompt
        .sheet
        .answer(&inputs)
        .or_else(|| labels_named(&prompt.prose).into_iter().next())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Rewrites the instruction from the examples that the prompt shows.
fn reflect(prompt: &str) -> String {
    let shown = read_reflection_prompt(prompt);
    let current = read_prompt(&shown.instruction);
    if let Some(most) = most_chars(prompt) {
        let text = shortened(&current, most);
        return format!("I left out the rules that decided least.\n\n```\n{text}\n```");
    }
    if shown.examples.is_empty() {
        return format!(
            "The examples name no right answers, so the instruction stays as it is.\n\n```\n{}\n```",
            shown.instruction.trim()
        );
    }
    let mut reply = format!(
        "I compared the answers with the feedback of {} examples and adjusted the rules to them.",
        shown.examples.len()
    );
    for version in 0..versions_asked(prompt) {
        // Another seed text chooses other conditions.
        let dice = if version == 0 {
            prompt.to_owned()
        } else {
            format!("{prompt}\nversion {version}")
        };
        let improved = rewrite(&current, &shown.examples, &dice);
        let text = write_prompt(&current.prose, &improved);
        let text = if wants_edits(prompt) {
            edit(shown.instruction.trim(), &text)
        } else {
            text
        };
        reply.extend(["\n\n```\n", &text, "\n```"]);
    }
    reply
}

/// How many versions the last lines of the prompt request; 1 if they say nothing.
fn versions_asked(prompt: &str) -> u32 {
    let asked = prompt.rsplit_once("\n\nWrite ").map(|(_, rest)| rest);
    let number = asked.and_then(|rest| rest.split_once(" versions of the "));
    number
        .and_then(|(number, _)| number.parse().ok())
        .map_or(1, |number: u32| number.clamp(1, MOST_VERSIONS))
}

fn joined(messages: &[Message]) -> String {
    let contents: Vec<&str> = messages
        .iter()
        .map(|message| message.content.as_str())
        .collect();
    contents.join("\n")
}

/// One token for every four characters begun, and four for every message.
fn prompt_tokens(messages: &[Message]) -> u64 {
    messages
        .iter()
        .map(|message| 4 + tokens_of(&message.content))
        .sum()
}

fn tokens_of(text: &str) -> u64 {
    text.chars().count().div_ceil(4) as u64
}
