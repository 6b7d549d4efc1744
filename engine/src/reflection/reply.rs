//! Reads the reflection model's reply strictly. A reply that is not clearly a complete new text is
//! a failure with a reason, never a new prompt.

use std::sync::Arc;

use crate::event::{ReflectionFailure, ReflectionFailureKind};

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
}

/// The new text in a reply: the text between its first and its last triple-backtick fence.
///
/// # Errors
///
/// Fails if there is no such block, or if its text breaks the rules.
pub fn read_reply(reply: &str, rules: &TextRules) -> Result<String, ReflectionFailure> {
    let Some(text) = fenced_block(reply) else {
        return fail(ReflectionFailureKind::NoFence, NO_BLOCK);
    };
    check_text(text, rules)?;
    Ok(text.to_owned())
}

/// Whether a text may become the component's.
pub(crate) fn check_text(text: &str, rules: &TextRules) -> Result<(), ReflectionFailure> {
    if text.trim().is_empty() {
        return fail(ReflectionFailureKind::Empty, "the new text is empty");
    }
    if !rules.may_repeat && text.trim() == rules.current.trim() {
        return fail(
            ReflectionFailureKind::Unchanged,
            "the new text is the present one",
        );
    }
    let length = text.chars().count();
    if length > rules.max_chars {
        let message = format!(
            "the new text has {length} characters, {} are allowed",
            rules.max_chars
        );
        return fail(ReflectionFailureKind::TooLong, message);
    }
    let lost = rules
        .wildcards
        .iter()
        .find(|name| !text.contains(&format!("{{{name}}}")));
    if let Some(name) = lost {
        let message = format!("the new text lost the wildcard {{{name}}}");
        return fail(ReflectionFailureKind::LostWildcard, message);
    }
    Ok(())
}

const FENCE: &str = "```";

/// What is wrong with a reply without a block.
pub(super) const NO_BLOCK: &str = "the reply holds no block between two ``` fences";

/// The text between the first and the last fence of a reply.
pub(super) fn fenced_block(reply: &str) -> Option<&str> {
    let start = reply.find(FENCE)? + FENCE.len();
    let end = reply.rfind(FENCE).filter(|end| *end >= start)?;
    let inside = &reply[start..end];
    let block = match inside.split_once('\n') {
        // A single word on the fence's own line names a language.
        Some((first_line, rest)) if !first_line.trim().contains(char::is_whitespace) => rest,
        _ => inside,
    };
    Some(block.trim())
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
    use super::*;

    fn check(reply: &str, expected: Result<&str, ReflectionFailureKind>) {
        let rules = TextRules {
            current: "old text".into(),
            may_repeat: false,
            wildcards: vec!["q".into()],
            max_chars: 40,
        };
        let read = read_reply(reply, &rules);
        assert_eq!(
            read.as_deref().map_err(|failure| failure.kind),
            expected,
            "{reply}"
        );
    }

    #[test]
    fn only_a_complete_fenced_text_becomes_a_prompt() {
        check(
            "Sure:\n```\nAnswer {q} now.\n```\nDone.",
            Ok("Answer {q} now."),
        );
        check("```markdown\nAnswer {q}.\n```", Ok("Answer {q}."));
        check("```\nYes\n{q}\n```", Ok("Yes\n{q}"));
        check("```answer {q} briefly```", Ok("answer {q} briefly"));
        check(
            "```\nouter {q}\n```py\nx\n```\n```",
            Ok("outer {q}\n```py\nx\n```"),
        );
    }

    #[test]
    fn everything_else_is_a_failure_with_its_reason() {
        use ReflectionFailureKind as Kind;
        check("Answer {q} now.", Err(Kind::NoFence));
        check("```\nAnswer {q} now, and then", Err(Kind::NoFence));
        check("", Err(Kind::NoFence));
        check("```\n\n```", Err(Kind::Empty));
        check("``````", Err(Kind::Empty));
        check("```\nold text\n```", Err(Kind::Unchanged));
        check("```\nAnswer now.\n```", Err(Kind::LostWildcard));
        check(
            &format!("```\n{{q}}{}\n```", "x".repeat(40)),
            Err(Kind::TooLong),
        );
    }
}
