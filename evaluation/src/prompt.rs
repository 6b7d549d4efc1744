//! Turns a candidate into chat messages: patterns with `{wildcard}` placeholders.

use std::sync::Arc;

use gepa_archive::Candidate;
use serde::{Deserialize, Serialize};

use crate::Message;
use crate::wildcards::{PatternPart, split_wildcards_named, wildcards_named};

/// One message of a prompt: who speaks, and which component (or fixed text) is its pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The component whose text is the pattern; `None` for a fixed pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The fixed pattern, or the seed text of the component: its wildcards are the only ones that
    /// are filled in the component's later texts.
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
    ///
    /// In the text of a component only those wildcards are replaced that its seed text has as well.
    /// Another name in braces that a rewrite mentions, such as `{answer}`, stays as it was written.
    pub fn render<'v>(
        &self,
        candidate: &Candidate,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Vec<Message> {
        self.messages
            .iter()
            .map(|message| {
                let allowed = message.allowed(&value);
                let own_value = |name: &str| value(name).filter(|_| allowed.allows(name));
                let content = fill_wildcards(message.pattern_of(candidate), &own_value);
                Message::new(message.role.clone(), content)
            })
            .collect()
    }

    /// The names that [`render`](Self::render) replaces, in order of appearance, each once.
    pub fn shown<'v>(
        &self,
        candidate: &Candidate,
        value: impl Fn(&str) -> Option<&'v str>,
    ) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for message in &self.messages {
            let allowed = message.allowed(&value);
            let own_value = |name: &str| value(name).filter(|_| allowed.allows(name));
            for name in known_names(message.pattern_of(candidate), &own_value) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}

/// The wildcards one message may have.
enum Allowed {
    Every,
    Only(Vec<Arc<str>>),
}

impl Allowed {
    fn allows(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(names) => names.iter().any(|allowed| &**allowed == name),
        }
    }
}

impl PromptMessage {
    fn pattern_of<'a>(&'a self, candidate: &'a Candidate) -> &'a str {
        self.component
            .as_deref()
            .and_then(|name| candidate.text(name))
            .map_or(self.pattern.as_str(), |text| text)
    }

    fn allowed<'v>(&self, value: &impl Fn(&str) -> Option<&'v str>) -> Allowed {
        match self.component {
            None => Allowed::Every,
            Some(_) => Allowed::Only(known_names(&self.pattern, value)),
        }
    }
}

/// The names in a pattern that have a value.
fn known_names<'v>(pattern: &str, value: &impl Fn(&str) -> Option<&'v str>) -> Vec<Arc<str>> {
    wildcards_named(pattern, |name| value(name).is_some())
}

fn fill_wildcards<'v>(pattern: &str, value: &impl Fn(&str) -> Option<&'v str>) -> String {
    let mut filled = String::with_capacity(pattern.len());
    for part in split_wildcards_named(pattern, |name| value(name).is_some()) {
        match part {
            PatternPart::Text(text) => filled.push_str(text),
            PatternPart::Wildcard(name) => filled.push_str(value(name).unwrap_or_default()),
        }
    }
    filled
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
    fn a_component_is_filled_only_where_its_seed_text_was() {
        let template = PromptTemplate {
            messages: vec![PromptMessage {
                role: "system".to_owned(),
                component: Some("c".to_owned()),
                pattern: "Read {Review Text}.".to_owned(),
            }],
        };
        let text = r"Read {Review Text}, end with \boxed{answer}, {answer} or {note}.";
        let candidate = Candidate::new([("c", text)]).unwrap();
        let value = |name: &str| match name {
            "Review Text" => Some("it"),
            "answer" | "note" => Some("secret"),
            _ => None,
        };
        assert_eq!(
            template.render(&candidate, value)[0].content,
            r"Read it, end with \boxed{answer}, {answer} or {note}."
        );
        assert_eq!(template.shown(&candidate, value), ["Review Text".into()]);
    }

    #[test]
    fn components_no_message_names_are_still_shown() {
        let template = PromptTemplate::default();
        let candidate = Candidate::new([("plan", "do it")]).unwrap();
        assert_eq!(template.sections(&candidate)[0].content, "do it");
    }
}
