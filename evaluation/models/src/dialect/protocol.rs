//! The protocols by name, and where each listens.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of Azure's interface where none is set.
const AZURE_VERSION: &str = "2024-10-21";

/// The protocol an endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's chat completions, which most providers and servers speak.
    #[default]
    ChatCompletions,
    /// OpenAI's responses, which some of its models insist on.
    Responses,
    /// Anthropic's messages. The system prompt and the fixed beginning of a reflection prompt are marked for the
    /// provider's cache.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Chat completions of a deployment at Azure; the model is the name of the deployment.
    Azure,
    /// Bedrock's `Converse`, signed with the keys of the environment. The same parts are marked for the
    /// provider's cache where the model takes such marks.
    Bedrock,
}

impl Dialect {
    /// Its name in configurations.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
        }
    }

    /// Whether requests and replies are those of chat completions, streams included.
    pub(crate) fn is_chat_completions(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Azure)
    }

    /// Whether a message may say which beginning of it the provider shall cache.
    pub(crate) fn takes_cache_marks(self) -> bool {
        matches!(self, Self::Anthropic | Self::Bedrock)
    }

    /// The path after the base URL.
    pub(crate) fn path(self, model: &str, api_version: Option<&str>) -> String {
        let model = escaped(model);
        match self {
            Self::ChatCompletions => "/chat/completions".to_owned(),
            Self::Responses => "/responses".to_owned(),
            Self::Anthropic => "/messages".to_owned(),
            Self::Gemini => format!("/models/{model}:generateContent"),
            Self::Azure => {
                let version = api_version.unwrap_or(AZURE_VERSION);
                format!("/openai/deployments/{model}/chat/completions?api-version={version}")
            }
            Self::Bedrock => format!("/model/{model}/converse"),
        }
    }

    /// The path, after the base URL, of the list of models; the root where the dialect has no list.
    pub(crate) fn list_path(self, api_version: Option<&str>) -> String {
        match self {
            Self::Azure => {
                let version = api_version.unwrap_or(AZURE_VERSION);
                format!("/openai/models?api-version={version}")
            }
            Self::Bedrock => "/".to_owned(),
            _ => "/models".to_owned(),
        }
    }
}

/// A model's name as one segment of a path.
pub(crate) fn escaped(model: &str) -> String {
    let mut segment = String::new();
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}
