//! Reading the reflection model's reply, strictly: what is not clearly a complete new text is a
//! failure with a reason, never a new prompt.

use std::sync::Arc;

use gepa_evaluation::{Completion, FinishReason};

use crate::event::{ReflectionFailure, ReflectionFailureKind};

/// What a new text must satisfy.
#[derive(Clone, Debug)]
pub struct TextRules {
    /// The text it replaces.
    pub current: Arc<str>,
    /// Whether the new text may be the present one.
    pub may_repeat: bool,
    /// Wildcards it must keep.
    pub wildcards: Vec<Arc<str>>,
    /// Most characters.
    pub max_chars: usize,
}

/// The new text in a completion.
pub fn read_completion(
    completion: &Completion,
    rules: &TextRules,
) -> Result<String, ReflectionFailure> {
    match &completion.finish_reason {
        FinishReason::Length => {
            return fail(
                ReflectionFailureKind::Truncated,
                "the reply was cut off at the token limit; raise `reflection_model.max_tokens`",
            );
        }
        FinishReason::Refusal => {
            return fail(
                ReflectionFailureKind::Refused,
                "the reflection model declined",
            );
        }
        FinishReason::ToolCalls => {
            return fail(
                ReflectionFailureKind::NoFence,
                "the reply calls tools instead of answering",
            );
        }
        _ => {}
    }
    read_reply(&completion.text, rules)
}

/// The new text in a reply: what stands between its first and its last triple-backtick fence.
pub fn read_reply(reply: &str, rules: &TextRules) -> Result<String, ReflectionFailure> {
    let text = fenced_block(reply)?;
    if text.is_empty() {
        return fail(ReflectionFailureKind::Empty, "the fenced block is empty");
    }
    if !rules.may_repeat && text == rules.current.trim() {
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
    Ok(text.to_owned())
}

const FENCE: &str = "```";

fn fenced_block(reply: &str) -> Result<&str, ReflectionFailure> {
    let missing = || {
        let message = "the reply holds no block between two ``` fences";
        ReflectionFailure {
            kind: ReflectionFailureKind::NoFence,
            message: message.to_owned(),
        }
    };
    let start = reply.find(FENCE).ok_or_else(missing)? + FENCE.len();
    let end = reply
        .rfind(FENCE)
        .filter(|end| *end >= start)
        .ok_or_else(missing)?;
    let inside = &reply[start..end];
    let block = match inside.split_once('\n') {
        // What stands on the fence's own line, in one word, names a language.
        Some((first_line, rest)) if !first_line.trim().contains(char::is_whitespace) => rest,
        _ => inside,
    };
    Ok(block.trim())
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

    #[test]
    fn a_truncated_or_refused_reply_is_never_a_prompt() {
        let rules = TextRules {
            current: "old".into(),
            may_repeat: false,
            wildcards: vec![],
            max_chars: 100,
        };
        let completion = |finish_reason| Completion {
            text: "```\nnew text\n```".to_owned(),
            finish_reason,
            tool_calls: vec![],
            usage: gepa_evaluation::Usage::default(),
        };
        assert!(read_completion(&completion(FinishReason::Stop), &rules).is_ok());
        for (finish, kind) in [
            (FinishReason::Length, ReflectionFailureKind::Truncated),
            (FinishReason::Refusal, ReflectionFailureKind::Refused),
        ] {
            assert_eq!(
                read_completion(&completion(finish), &rules)
                    .unwrap_err()
                    .kind,
                kind
            );
        }
    }
}
