//! What the text of a component must satisfy, as its author demands it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Demands on every new text of a component, beyond its wildcards and its length in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextRequirements {
    /// Parts that every text must hold, character by character.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Arc<str>>,
    /// Names that every text must hold as whole words, such as those of tools and variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<Arc<str>>,
    /// Patterns of which no text may hold a match, as their author wrote them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<Arc<str>>,
    /// Whether a text that copies words of the examples is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copies_no_example: bool,
    /// Most estimated tokens, at four characters a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

impl TextRequirements {
    /// Whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The number of tokens of a text, estimated without a tokenizer: one for four characters.
pub fn estimated_tokens(text: &str) -> u64 {
    text.chars().count().div_ceil(4) as u64
}

/// A pattern that was read.
///
/// **The caller** asks from any thread. **The implementor** gives the same answer for the same text each time,
/// and bounds its time for every text.
pub trait TextPattern: Send + Sync + fmt::Debug {
    /// The first match in a text, if there is one.
    fn first_match<'t>(&self, text: &'t str) -> Option<&'t str>;
}

/// The language in which patterns are written. It is a seam because a program that forbids nothing needs no
/// library for patterns.
///
/// **The implementor** reads the same pattern in the same way each time.
pub trait PatternSyntax: Send + Sync + fmt::Debug {
    /// Reads a pattern. The error says what is wrong with it, for people.
    fn read(&self, pattern: &str) -> Result<Arc<dyn TextPattern>, String>;
}

/// The double of a pattern language: a pattern is a text, and matches where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainPatterns;

#[derive(Debug)]
struct PlainPattern(String);

impl PatternSyntax for PlainPatterns {
    fn read(&self, pattern: &str) -> Result<Arc<dyn TextPattern>, String> {
        if pattern.is_empty() {
            return Err("is empty and would match every text".to_owned());
        }
        Ok(Arc::new(PlainPattern(pattern.to_owned())))
    }
}

impl TextPattern for PlainPattern {
    fn first_match<'t>(&self, text: &'t str) -> Option<&'t str> {
        let at = text.find(&self.0)?;
        text.get(at..at + self.0.len())
    }
}
