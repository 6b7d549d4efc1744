//! `[texts.NAME]`: what the text of a component may become.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{PatternSyntax, PromptTemplate, TextPattern, TextRequirements};
use indexmap::IndexMap;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::reflection::RewriteMode;
use crate::reflection::{TextDemands, TextRules};

/// `[texts.NAME]`: what the text of the component NAME may become. A new text that breaks a rule is refused
/// before a rollout is bought for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(default)]
#[non_exhaustive]
pub struct TextSettings {
    /// Parts that every text keeps, character by character.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
    /// Two marks around parts of the seed text that every text keeps. The marks are taken out of the seed text
    /// before anything else reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_marks: Option<[String; 2]>,
    /// Names that every text holds as whole words, such as those of tools and variables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Patterns of which no text may hold a match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbidden: Vec<String>,
    /// Most tokens of a text, estimated at four characters a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Most characters of a text. If absent, `reflection.max_text_chars`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<u32>,
    /// How the reflection model writes a new text. If absent, `reflection.mode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RewriteMode>,
}

impl TextSettings {
    fn limits_length(&self) -> bool {
        self.max_tokens.is_some() || self.max_chars.is_some()
    }
}

/// The seed and the prompt without marks, and the demands by component.
pub(super) struct Demanded {
    pub(super) seed: Candidate,
    pub(super) prompt: PromptTemplate,
    pub(super) demands: IndexMap<Arc<str>, Arc<TextDemands>>,
}

/// Reads the demands on each component and takes the marks out of the seed's texts.
pub(super) fn read_demands(
    seed: Candidate,
    mut prompt: PromptTemplate,
    texts: &IndexMap<String, TextSettings>,
    syntax: Option<&dyn PatternSyntax>,
    problems: &mut Vec<Problem>,
) -> Demanded {
    let mut demands = IndexMap::new();
    let mut seed = seed;
    for (name, settings) in texts {
        let key = |part: &str| format!("texts.{name}.{part}");
        let Some(text) = seed.text(name).cloned() else {
            let known: Vec<&str> = seed.components().keys().map(|name| &**name).collect();
            let message = format!(
                "names no component; the candidate has: {}",
                known.join(", ")
            );
            problems.push(Problem::new(format!("texts.{name}"), message));
            continue;
        };
        let mut frozen: Vec<Arc<str>> = Vec::new();
        for literal in &settings.frozen {
            frozen.push(literal.as_str().into());
        }
        if let Some(marks) = &settings.frozen_marks {
            match without_marks(&text, marks) {
                Ok((plain, parts)) => {
                    frozen.extend(parts.into_iter().map(Arc::from));
                    for message in &mut prompt.messages {
                        if message.component.as_deref() == Some(name) {
                            message.pattern.clone_from(&plain);
                        }
                    }
                    let texts = [(name.as_str(), Arc::from(plain))];
                    // The component is the seed's own, so replacing its text cannot fail.
                    seed = seed.with_texts(texts).unwrap_or(seed);
                }
                Err(message) => problems.push(Problem::new(key("frozen_marks"), message)),
            }
        }
        let mut known: Vec<Arc<str>> = Vec::new();
        frozen.retain(|one| {
            let is_new = !known.contains(one);
            known.push(Arc::clone(one));
            is_new
        });
        let lists = [
            ("frozen", &settings.frozen),
            ("required", &settings.required),
            ("forbidden", &settings.forbidden),
        ];
        for (part, list) in lists {
            if list.iter().any(|one| one.trim().is_empty()) {
                let message = "has an empty entry; take it out";
                problems.push(Problem::new(key(part), message));
            }
        }
        for (value, part) in [
            (settings.max_tokens, "max_tokens"),
            (settings.max_chars, "max_chars"),
        ] {
            if value == Some(0) {
                problems.push(Problem::new(key(part), "must be at least 1"));
            }
        }
        let patterns = read_patterns(&settings.forbidden, syntax, &key("forbidden"), problems);
        let arcs = |list: &[String]| list.iter().map(|one| one.as_str().into()).collect();
        demands.insert(
            Arc::from(name.as_str()),
            Arc::new(TextDemands {
                requirements: TextRequirements {
                    frozen,
                    required: arcs(&settings.required),
                    forbidden: arcs(&settings.forbidden),
                    max_tokens: settings.max_tokens,
                    copies_no_example: false,
                },
                patterns,
                max_chars: settings.max_chars.map(|chars| chars as usize),
                limits_length: settings.limits_length(),
            }),
        );
    }
    Demanded {
        seed,
        prompt,
        demands,
    }
}

/// Adds a problem for each component whose seed text breaks its own demands.
pub(super) fn check_seed(demanded: &Demanded, problems: &mut Vec<Problem>) {
    for (name, demands) in &demanded.demands {
        let Some(text) = demanded.seed.text(name) else {
            continue;
        };
        if let Err(refusal) = TextRules::of_demands(demands).check(text) {
            let message = format!(
                "refuses the seed text itself: {}; change the seed text or the rule",
                refusal.message.replace("the new text", "the seed text")
            );
            problems.push(Problem::new(format!("texts.{name}"), message));
        }
    }
}

fn read_patterns(
    patterns: &[String],
    syntax: Option<&dyn PatternSyntax>,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Arc<dyn TextPattern>> {
    let Some(syntax) = syntax else {
        if !patterns.is_empty() {
            let message = "has patterns, and this program reads none; a program of its own names their \
                           language with `Config::with_patterns`";
            problems.push(Problem::new(key, message));
        }
        return Vec::new();
    };
    let mut read = Vec::new();
    for pattern in patterns {
        match syntax.read(pattern) {
            Ok(one) => read.push(one),
            Err(error) => {
                let message = format!("has the pattern `{pattern}`, which cannot be read: {error}");
                problems.push(Problem::new(key, message));
            }
        }
    }
    read
}

/// A text without its marks, and the parts that stood between two of them.
fn without_marks(text: &str, [open, close]: &[String; 2]) -> Result<(String, Vec<String>), String> {
    if open.is_empty() || close.is_empty() || open == close {
        return Err("needs two different marks, for example [\"<keep>\", \"</keep>\"]".to_owned());
    }
    let (mut plain, mut parts) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open.as_str()) {
        let Some((part, after)) = after.split_once(close.as_str()) else {
            return Err(format!(
                "leaves a part of the seed text open: `{open}` has no `{close}` after it"
            ));
        };
        if before.contains(close.as_str()) || part.contains(open.as_str()) {
            return Err(format!(
                "are nested or out of order in the seed text; after each `{open}` a `{close}` must follow"
            ));
        }
        if part.trim().is_empty() {
            return Err(format!(
                "enclose nothing: between `{open}` and `{close}` must be a text"
            ));
        }
        plain.extend([before, part]);
        parts.push(part.to_owned());
        rest = after;
    }
    if rest.contains(close.as_str()) {
        return Err(format!(
            "are out of order in the seed text: `{close}` has no `{open}` before it"
        ));
    }
    if parts.is_empty() {
        return Err(format!(
            "are not in the seed text; put `{open}` and `{close}` around what must stay, or leave the key out"
        ));
    }
    plain.push_str(rest);
    Ok((plain, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, &[&str]), &str>) {
        let marks = ["<<".to_owned(), ">>".to_owned()];
        match (without_marks(text, &marks), expected) {
            (Ok((plain, parts)), Ok((wanted, wanted_parts))) => {
                assert_eq!(plain, wanted);
                assert_eq!(parts, wanted_parts);
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn marks_are_taken_out_and_what_stands_between_them_is_frozen() {
        check("<<a>> b <<c\nd>>", Ok(("a b c\nd", &["a", "c\nd"])));
        check("a <<b", Err("has no `>>` after it"));
        check("a >> b <<c>>", Err("out of order"));
        check("<<c>> >>", Err("out of order"));
        check("<<a <<b>> c>>", Err("nested"));
        check("<< >>", Err("enclose nothing"));
        check("a", Err("are not in the seed text"));
    }
}
