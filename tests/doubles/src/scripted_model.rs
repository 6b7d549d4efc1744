//! A model made of a function.

use std::fmt;

use async_trait::async_trait;

use gepa_evaluation::{
    ChatRequest, Completion, FinishReason, LanguageModel, ModelError, ModelInfo, Usage,
};

type Reply = Result<Completion, ModelError>;

/// Answers every chat with what its function returns.
pub struct ScriptedModel {
    reply: Box<dyn Fn(&ChatRequest) -> Reply + Send + Sync>,
}

impl ScriptedModel {
    /// A model that answers with `reply`.
    pub fn new(reply: impl Fn(&ChatRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            reply: Box::new(reply),
        }
    }

    /// A model that answers with the text that `text` returns. Its replies end normally and report
    /// ten prompt tokens and five completion tokens.
    pub fn answering(text: impl Fn(&ChatRequest) -> String + Send + Sync + 'static) -> Self {
        Self::new(move |request| {
            Ok(Completion {
                text: text(request),
                reasoning: None,
                finish_reason: FinishReason::Stop,
                tool_calls: Vec::new(),
                usage: Usage {
                    calls: 1,
                    prompt_tokens: 10,
                    completion_tokens: 5,
                    ..Usage::default()
                },
            })
        })
    }
}

impl fmt::Debug for ScriptedModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ScriptedModel")
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl LanguageModel for ScriptedModel {
    async fn complete(&self, request: ChatRequest) -> Result<Completion, ModelError> {
        (self.reply)(&request)
    }

    fn is_deterministic(&self) -> bool {
        true
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            provider: "scripted".to_owned(),
            model: "scripted".to_owned(),
        }
    }
}
