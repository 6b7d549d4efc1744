//! How the reflection model is asked, and how its replies are read.

use indexmap::IndexMap;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[reflection]`: how the reflection model is asked, and which replies are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct ReflectionSettings {
    /// The prompt, with the placeholders `<curr_param>` and `<side_info>`, and optionally
    /// `<component>`. If absent, the built-in one.
    pub template: Option<String>,
    /// A file with the prompt, relative to the config file, instead of `template`.
    pub template_file: Option<String>,
    /// Prompts for single components, by name.
    pub templates: IndexMap<String, String>,
    /// Different texts asked for in one call. Each is tried on the minibatch as a proposal of its
    /// own, and only the best goes on. If absent: 3 where rows grow, otherwise 1.
    pub hypotheses: Option<u32>,
    /// Rejected texts of the same parent that the prompt names, so that they are not tried again; the
    /// last ones, in at most 600 characters. 0 names none. If absent: 3 where rows grow, otherwise 0.
    pub memory: Option<u32>,
    /// How the model writes a new text.
    #[serde(skip_serializing_if = "RewriteMode::is_default")]
    pub mode: RewriteMode,
    /// What to do with a new text that copies words of the examples shown to its proposer.
    #[serde(skip_serializing_if = "CopiedExamples::is_default")]
    pub copied_examples: CopiedExamples,
    /// How the new text is read from a reply.
    pub reading: ReplyReading,
    /// Calls per component before the proposal is given up.
    pub max_attempts: u32,
    /// Iterations in a row without a usable text before the run stops.
    pub max_failures_in_a_row: u32,
    /// Reflection calls in flight at once.
    pub max_concurrent: u32,
    /// Longest text a component may get, in characters.
    pub max_text_chars: u32,
    /// Longest prompt, in characters; longer examples are cut in the middle, all alike.
    pub max_prompt_chars: u32,
    /// Whether the journal keeps each prompt as it was sent.
    pub keep_prompts: bool,
}

impl Default for ReflectionSettings {
    fn default() -> Self {
        Self {
            template: None,
            template_file: None,
            templates: IndexMap::new(),
            hypotheses: None,
            memory: None,
            mode: RewriteMode::Rewrite,
            copied_examples: CopiedExamples::Warn,
            reading: ReplyReading::LastBlock,
            max_attempts: 2,
            max_failures_in_a_row: 10,
            max_concurrent: 8,
            max_text_chars: 20_000,
            max_prompt_chars: 200_000,
            keep_prompts: true,
        }
    }
}

/// How the new text is read from a reply of the reflection model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplyReading {
    /// Without reasoning, the last complete fenced block that does not quote the present text. Replies
    /// without one, or with another end than a normal one, are refused.
    #[default]
    LastBlock,
    /// As the reference implementation reads: the text between the first and the last three backticks
    /// of the whole reply, or the reply itself where there are none, however it ended.
    Reference,
}

/// How the reflection model writes a new text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RewriteMode {
    /// As a whole.
    #[default]
    Rewrite,
    /// As replacements of parts of the present text. Each part must stand in it exactly once.
    Edit,
}

impl RewriteMode {
    /// Whether it is the default. Stored settings then do not mention it, as those of older versions do
    /// not.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What to do with a new text that copies an example: eight words in a row of its inputs, or a whole input of
/// four words or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CopiedExamples {
    /// Nothing; copies are not looked for.
    Allow,
    /// It is tried like any other and counted.
    #[default]
    Warn,
    /// It is refused before a rollout is bought for it.
    Refuse,
}

impl CopiedExamples {
    /// Whether it is the default. Stored settings then do not mention it, as those of older versions do
    /// not.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
