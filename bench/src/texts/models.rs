//! The policy and the reflection model of a task, in process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use gepa_evaluation::{
    ChatRequest, Completion, Evaluation, Evaluator, EvaluatorInfo, ExampleId, FailureKind,
    FinishReason, LanguageModel, ModelError, ModelInfo, Outcome, RolloutRequest, Scored, Usage,
};
use parking_lot::Mutex;
use serde_json::json;

use super::reflector::{feedback, rewrite};
use super::sheet::{self, Rule};
use super::task::TextTask;
use crate::draws::Key;
use crate::searching::COMPONENT;
use crate::wanted::texts_wanted;

const PROVIDER: &str = "simulated";
/// Sheets whose rules are cached.
const SHEETS_KEPT: usize = 4_096;

/// Applies the sheet in the component `instruction`. Deterministic.
#[derive(Debug)]
pub struct SheetFollower {
    task: Arc<TextTask>,
    sheets: Mutex<BTreeMap<Key, Arc<BTreeSet<Rule>>>>,
}

/// Writes sheets.
#[derive(Debug)]
pub struct SheetWriter {
    task: Arc<TextTask>,
    answered: Mutex<BTreeMap<Key, u64>>,
}

/// An evaluator and a reflection model for one run on a task.
pub fn twins(task: Arc<TextTask>) -> (SheetFollower, SheetWriter) {
    let follower = SheetFollower {
        task: Arc::clone(&task),
        sheets: Mutex::default(),
    };
    let writer = SheetWriter {
        task,
        answered: Mutex::default(),
    };
    (follower, writer)
}

impl SheetFollower {
    fn sheet(&self, prompt: &str) -> Arc<BTreeSet<Rule>> {
        let key = Key::of_text(prompt);
        let mut sheets = self.sheets.lock();
        if sheets.len() >= SHEETS_KEPT {
            sheets.clear();
        }
        let sheet = sheets.entry(key);
        Arc::clone(sheet.or_insert_with(|| Arc::new(sheet::rules_in(prompt))))
    }
}

#[async_trait]
impl Evaluator for SheetFollower {
    async fn evaluate(&self, request: RolloutRequest) -> Evaluation {
        let item = match &request.example {
            ExampleId::Name(name) => self.task.item(name).map(|item| (name, item)),
            ExampleId::Seed(_) => None,
        };
        let (Some((id, item)), Some(prompt)) = (item, request.candidate.text(COMPONENT)) else {
            return Evaluation::free(Outcome::failed(
                FailureKind::Permanent,
                format!(
                    "the task has no text `{}`, or the candidate no component `{COMPONENT}`",
                    request.example
                ),
            ));
        };
        let reply = self.task.answer(&self.sheet(prompt), item).to_owned();
        let is_right = reply == item.label;
        let feedback = if is_right {
            format!("Right for {id}.")
        } else {
            feedback(id, &reply, &item.label)
        };
        let usage = usage(prompt.len() + item.text.len(), reply.len());
        let outcome = Outcome::Scored(Scored {
            score: f64::from(u8::from(is_right)),
            feedback: Some(feedback),
            output: Some(reply),
            trace: request.wants_trace().then(|| json!({"Inputs": item.text})),
            ..Scored::default()
        });
        Evaluation::with_usage(outcome, usage)
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> EvaluatorInfo {
        EvaluatorInfo {
            kind: "texts".to_owned(),
            policy_provider: PROVIDER.to_owned(),
            policy_model: "sheet_follower".to_owned(),
        }
    }
}

#[async_trait]
impl LanguageModel for SheetWriter {
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError> {
        let messages = request.messages.iter();
        let texts: Vec<&str> = messages.map(|message| message.content.as_str()).collect();
        let prompt = texts.join("\n");
        let sample = {
            let mut answered = self.answered.lock();
            let count = answered.entry(Key::of_text(&prompt)).or_default();
            *count += 1;
            *count - 1
        };
        let text = rewrite(&self.task, &prompt, sample, texts_wanted(&prompt) as u64);
        Ok(Completion {
            usage: usage(prompt.len(), text.len()),
            text,
            reasoning: None,
            finish_reason: FinishReason::Stop,
            tool_calls: Vec::new(),
        })
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: PROVIDER.to_owned(),
            model: "sheet_writer".to_owned(),
        }
    }
}

/// Four bytes are a token.
fn usage(prompt: usize, reply: usize) -> Usage {
    Usage {
        calls: 1,
        prompt_tokens: (prompt as u64).div_ceil(4),
        completion_tokens: (reply as u64).div_ceil(4),
        ..Usage::default()
    }
}
