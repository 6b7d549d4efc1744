//! How a candidate becomes chat messages: patterns with `{wildcard}` placeholders.

use std::sync::Arc;

use gepa_archive::Candidate;
use serde::{Deserialize, Serialize};

use crate::Message;

/// One message of a prompt: who speaks, and which component (or fixed text) is its pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The component whose text is the pattern; `None` for a fixed pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The fixed pattern, or the seed text of the component.
    pub pattern: String,
}

/// The messages of a prompt, in order; constant over a run, while the components' texts evolve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTemplate {
    /// The messages in order. Empty for tasks whose candidates are not chat messages.
    pub messages: Vec<PromptMessage>,
}

/// One part of a rendered prompt, named after its component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The component's name, or the role for fixed messages.
    pub name: String,
    /// The role.
    pub role: String,
    /// The pattern, wildcards left as `{name}`.
    pub content: String,
    /// The place in the prompt, from 0.
    pub order: usize,
}

impl PromptTemplate {
    /// The candidate's patterns in order, wildcards left in place. Components that no message
    /// names follow as `system` sections, so that nothing of a candidate is ever left out.
    pub fn sections(&self, candidate: &Candidate) -> Vec<Section> {
        let mut sections: Vec<Section> = self
            .messages
            .iter()
            .enumerate()
            .map(|(order, message)| Section {
                name: message
                    .component
                    .clone()
                    .unwrap_or_else(|| message.role.clone()),
                role: message.role.clone(),
                content: message.pattern_of(candidate).to_owned(),
                order,
            })
            .collect();
        for (name, text) in candidate.components() {
            let named = self
                .messages
                .iter()
                .any(|message| message.component.as_deref() == Some(name));
            if !named {
                sections.push(Section {
                    name: name.to_string(),
                    role: "system".to_owned(),
                    content: text.to_string(),
                    order: sections.len(),
                });
            }
        }
        sections
    }

    /// The messages for one example: every wildcard with a value is replaced, in a single pass, so
    /// values are never searched for wildcards themselves.
    pub fn render<'v>(
        &self,
        candidate: &Candidate,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Vec<Message> {
        self.messages
            .iter()
            .map(|message| {
                let content = fill_wildcards(message.pattern_of(candidate), &value);
                Message::new(message.role.clone(), content)
            })
            .collect()
    }
}

impl PromptMessage {
    fn pattern_of<'a>(&'a self, candidate: &'a Candidate) -> &'a str {
        self.component
            .as_deref()
            .and_then(|name| candidate.text(name))
            .map_or(self.pattern.as_str(), |text| text)
    }
}

/// The wildcard names in a pattern, in order of appearance, each once.
pub fn wildcards_in(pattern: &str) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for part in split_wildcards(pattern) {
        if let PatternPart::Wildcard(name) = part
            && !names.iter().any(|known| &**known == name)
        {
            names.push(name.into());
        }
    }
    names
}

fn fill_wildcards<'v>(pattern: &str, value: &impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(pattern.len());
    for part in split_wildcards(pattern) {
        match part {
            PatternPart::Text(text) => filled.push_str(text),
            PatternPart::Wildcard(name) => {
                if let Some(text) = value(name) {
                    filled.push_str(text);
                } else {
                    filled.extend(["{", name, "}"]);
                }
            }
        }
    }
    filled
}

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternPart<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// The name inside a wildcard `{name}`.
    Wildcard(&'a str),
}

/// Splits a pattern at its wildcards.
///
/// A wildcard is `{name}` with a name of letters, digits, `_`, `-` and `.`; every other brace is text,
/// so JSON in a prompt stays what it is.
pub fn split_wildcards(pattern: &str) -> impl Iterator<Item = PatternPart<'_>> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = leading_wildcard(rest) {
            rest = after;
            return Some(PatternPart::Wildcard(name));
        }
        let text_end = rest
            .char_indices()
            .skip(1)
            .find(|(_, character)| *character == '{')
            .map_or(rest.len(), |(at, _)| at);
        let (text, after) = rest.split_at(text_end);
        rest = after;
        Some(PatternPart::Text(text))
    })
}

fn leading_wildcard(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find('}')?;
    let name = &inside[..end];
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_name.then(|| (name, &inside[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &str) {
        let template = PromptTemplate {
            messages: vec![PromptMessage {
                role: "user".to_owned(),
                component: None,
                pattern: pattern.to_owned(),
            }],
        };
        let candidate = Candidate::new([("c", "text")]).unwrap();
        let messages = template.render(&candidate, |name| match name {
            "a" => Some("{b}"),
            "b" => Some("two"),
            _ => None,
        });
        assert_eq!(messages[0].content, expected);
    }

    #[test]
    fn wildcards_are_filled_once_and_other_braces_stay() {
        check("{a} and {b}", "{b} and two");
        check("{unknown} {", "{unknown} {");
        check(r#"{"json": {b}}"#, r#"{"json": two}"#);
        check("é{b}é{{b}}", "étwoé{two}");
        check("", "");
    }

    #[test]
    fn components_no_message_names_are_still_shown() {
        let template = PromptTemplate::default();
        let candidate = Candidate::new([("plan", "do it")]).unwrap();
        assert_eq!(template.sections(&candidate)[0].content, "do it");
    }
}
