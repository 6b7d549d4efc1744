//! What a new text must satisfy before a rollout is bought for it.

use std::sync::Arc;

use gepa_evaluation::{TextPattern, TextRequirements, estimated_tokens};

use super::plain::with_plain_lines;
use crate::config::CopiedExamples;
use crate::event::{ReflectionFailure, ReflectionFailureKind};

/// The demands on one component's texts, with their patterns read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextDemands {
    pub(crate) requirements: TextRequirements,
    /// In the order of `requirements.forbidden`.
    pub(crate) patterns: Vec<Arc<dyn TextPattern>>,
    pub(crate) max_chars: Option<usize>,
    /// Whether the settings bound the length of this component's texts.
    pub(crate) limits_length: bool,
}

/// What a new text must satisfy.
#[derive(Clone, Debug)]
pub struct TextRules {
    /// The text it replaces.
    pub current: Arc<str>,
    /// Whether the new text may equal the present one.
    pub may_repeat: bool,
    /// Wildcards it must keep.
    pub wildcards: Vec<Arc<str>>,
    /// Most characters.
    pub max_chars: usize,
    /// What to do with a text that copies an example.
    pub(crate) copied: CopiedExamples,
    /// What the author of the configuration demands beyond that.
    pub(crate) demands: Arc<TextDemands>,
}

impl TextRules {
    /// Rules for a text that replaces `current`: it must differ, keep the wildcards and have at most
    /// `max_chars` characters.
    pub fn new(current: Arc<str>, wildcards: Vec<Arc<str>>, max_chars: usize) -> Self {
        Self {
            current,
            may_repeat: false,
            wildcards,
            max_chars,
            copied: CopiedExamples::Allow,
            demands: Arc::default(),
        }
    }

    /// The rules beyond wildcards and characters, as the request to a proposer has them.
    pub(crate) fn requirements(&self) -> TextRequirements {
        TextRequirements {
            copies_no_example: self.copied == CopiedExamples::Refuse,
            ..self.demands.requirements.clone()
        }
    }

    /// The demands alone, for a text that replaces none.
    pub(crate) fn of_demands(demands: &Arc<TextDemands>) -> Self {
        let chars = demands.max_chars.unwrap_or(usize::MAX);
        let mut rules = Self::new(Arc::default(), Vec::new(), chars);
        rules.may_repeat = true;
        rules.demanding(Arc::clone(demands))
    }

    /// What the author of the configuration demands, without the other rules; `None` if that is nothing.
    pub(crate) fn demanded(&self) -> Option<Self> {
        let demands = &self.demands;
        let has_some = !demands.requirements.is_empty() || demands.max_chars.is_some();
        has_some.then(|| Self::of_demands(demands))
    }

    /// The same rules with these demands.
    pub(crate) fn demanding(self, demands: Arc<TextDemands>) -> Self {
        Self { demands, ..self }
    }

    /// Whether a text may become the component's.
    ///
    /// # Errors
    ///
    /// The first rule that the text breaks.
    pub fn check(&self, text: &str) -> Result<(), ReflectionFailure> {
        use ReflectionFailureKind as Kind;
        if text.trim().is_empty() {
            return fail(Kind::Empty, "the new text is empty");
        }
        let is_present = || with_plain_lines(text).trim() == with_plain_lines(&self.current).trim();
        if !self.may_repeat && is_present() {
            return fail(Kind::Unchanged, "the new text is the present one");
        }
        self.check_length(text)?;
        let mut wildcards = self.wildcards.iter();
        if let Some(name) = wildcards.find(|name| !text.contains(&format!("{{{name}}}"))) {
            let message = format!("the new text lost the wildcard {{{name}}}");
            return fail(Kind::LostWildcard, message);
        }
        self.check_demands(text)
    }

    fn check_length(&self, text: &str) -> Result<(), ReflectionFailure> {
        let length = text.chars().count();
        if length > self.max_chars {
            let message = format!(
                "the new text has {length} characters, {} are allowed",
                self.max_chars
            );
            return fail(ReflectionFailureKind::TooLong, message);
        }
        let tokens = estimated_tokens(text);
        match self.demands.requirements.max_tokens {
            Some(most) if tokens > u64::from(most) => {
                let message = format!(
                    "the new text has about {tokens} tokens at four characters each, {most} are allowed"
                );
                fail(ReflectionFailureKind::TooLong, message)
            }
            _ => Ok(()),
        }
    }

    fn check_demands(&self, text: &str) -> Result<(), ReflectionFailure> {
        use ReflectionFailureKind as Kind;
        let requirements = &self.demands.requirements;
        let mut frozen = requirements.frozen.iter();
        // The line ends of a new text are line feeds; those of the config may be others.
        let is_kept = |part: &str| text.contains(part) || text.contains(&*with_plain_lines(part));
        if let Some(part) = frozen.find(|part| !is_kept(part)) {
            let message = format!("the new text lost the frozen part \"{}\"", shortened(part));
            return fail(Kind::LostFrozen, message);
        }
        let mut required = requirements.required.iter();
        if let Some(name) = required.find(|name| !holds_name(text, name)) {
            let message = format!("the new text lost the required name `{name}`");
            return fail(Kind::LostRequired, message);
        }
        let patterns = requirements.forbidden.iter().zip(&self.demands.patterns);
        for (source, pattern) in patterns {
            if let Some(found) = pattern.first_match(text) {
                let message = format!(
                    "the new text has \"{}\", which the pattern `{source}` forbids",
                    shortened(found)
                );
                return fail(Kind::Forbidden, message);
            }
        }
        Ok(())
    }
}

/// Whether a text holds a name that is no part of a longer name.
fn holds_name(text: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let begins_as_word = name.chars().next().is_some_and(is_part);
    let ends_as_word = name.chars().next_back().is_some_and(is_part);
    text.match_indices(name).any(|(at, found)| {
        let before = text[..at].chars().next_back().is_some_and(is_part);
        let after = text[at + found.len()..].chars().next().is_some_and(is_part);
        !(before && begins_as_word || after && ends_as_word)
    })
}

/// The beginning of a quoted part.
fn shortened(part: &str) -> String {
    const MOST: usize = 80;
    if part.chars().count() <= MOST {
        return part.to_owned();
    }
    part.chars().take(MOST).chain(['…']).collect()
}

fn fail<T>(
    kind: ReflectionFailureKind,
    message: impl Into<String>,
) -> Result<T, ReflectionFailure> {
    Err(ReflectionFailure {
        kind,
        message: message.into(),
    })
}

#[cfg(test)]
mod tests {
    use gepa_evaluation::{PatternSyntax, PlainPatterns, TextRequirements};

    use super::*;
    use ReflectionFailureKind as Kind;

    fn rules() -> TextRules {
        let rules = TextRules::new("old {q}".into(), vec!["q".into()], 60);
        rules.demanding(Arc::new(TextDemands {
            requirements: TextRequirements {
                frozen: vec!["Answer in JSON.".into()],
                required: vec!["look_up".into()],
                forbidden: vec!["as an AI".into()],
                max_tokens: Some(14),
                ..TextRequirements::default()
            },
            patterns: vec![PlainPatterns.read("as an AI").unwrap()],
            ..TextDemands::default()
        }))
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(), Kind>) {
        let found = rules().check(text).map_err(|failure| failure.kind);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn line_ends_of_the_config_make_no_text_new_and_lose_no_frozen_part() {
        let demands = TextDemands {
            requirements: TextRequirements {
                frozen: vec!["keep\r\nthis".into()],
                ..TextRequirements::default()
            },
            ..TextDemands::default()
        };
        let rules = TextRules::new("old\r\nkeep\r\nthis".into(), vec![], 100);
        let rules = rules.demanding(Arc::new(demands));
        let refused = rules.check("old\nkeep\nthis").unwrap_err();
        assert_eq!(refused.kind, Kind::Unchanged);
        assert!(rules.check("new\nkeep\nthis").is_ok());
        let lost = rules.check("new\nkeep this").unwrap_err();
        assert_eq!(lost.kind, Kind::LostFrozen);
    }

    #[test]
    fn each_demand_refuses_under_its_own_name() {
        check("{q} Answer in JSON. Call look_up.", Ok(()));
        check("{q} Answer in json. Call look_up.", Err(Kind::LostFrozen));
        check("{q} Answer in JSON. look_ups", Err(Kind::LostRequired));
        check("{q} Answer in JSON. my_look_up", Err(Kind::LostRequired));
        check("{q} Answer in JSON. (look_up)", Ok(()));
        check("{q} Answer in JSON. look_up as an AI", Err(Kind::Forbidden));
        check("Answer in JSON. look_up", Err(Kind::LostWildcard));
        let long = format!("{{q}} Answer in JSON. look_up{}", " x".repeat(15));
        check(&long, Err(Kind::TooLong));
        check(" ", Err(Kind::Empty));
        check("old {q}", Err(Kind::Unchanged));
    }

    #[test]
    fn a_name_with_signs_needs_no_border_beside_them() {
        assert!(holds_name("use{order_id}now", "{order_id}"));
        assert!(!holds_name("reorder", "order"));
        assert!(holds_name("reorder the order", "order"));
    }
}
