//! The new texts of a proposal: how they are read from a reply and checked by the component's
//! rules.

use gepa_evaluation::{Completion, FinishReason, ProposerError, ProposerErrorKind};

use super::copies::ShownWords;
use super::edits::{EditProblem, edited_texts};
use super::plain::with_plain_lines;
use super::reply::texts_of;
use super::rules::TextRules;
use crate::config::{CopiedExamples, ReplyReading};
use crate::event::{ReflectionFailure, ReflectionFailureKind};

/// The text added to a reflection prompt to request this many different texts.
pub(crate) fn request(texts: u32) -> String {
    format!(
        "\n\nWrite {texts} versions of the new text instead of one. Let each blame another cause for what \
         went wrong, and let each be complete. Put each inside a ``` block of its own, and nothing else \
         into the blocks."
    )
}

/// How a reply holds new texts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// As they are.
    Whole(ReplyReading),
    /// As edits of the present text.
    Edits,
}

/// What a reply holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// The new texts, in order; at least one.
    pub(super) texts: Vec<String>,
    /// Why further ones could not be read.
    pub(super) unread: Vec<String>,
}

/// The new texts in a completion, in order. If several texts were requested, each block is one
/// text.
///
/// # Errors
///
/// Fails if the completion is not a normal end of turn, or holds no block. The reading of the
/// reference takes every completion.
pub(super) fn texts_in(
    completion: &Completion,
    current: &str,
    form: Form,
    wanted: u32,
) -> Result<Read, ProposerError> {
    use ProposerErrorKind as Kind;
    match form {
        Form::Whole(reading) => {
            if reading == ReplyReading::LastBlock {
                check_end(&completion.finish_reason)?;
            }
            let texts = texts_of(&completion.text, current, reading, wanted);
            let texts = texts.map_err(|problem| ProposerError::new(Kind::NoText, problem))?;
            let unread = Vec::new();
            Ok(Read { texts, unread })
        }
        Form::Edits => {
            check_end(&completion.finish_reason)?;
            match edited_texts(&completion.text, current, wanted) {
                Ok((texts, unread)) => Ok(Read { texts, unread }),
                Err(EditProblem::NoEdit(problem)) => Err(ProposerError::new(Kind::NoText, problem)),
                Err(EditProblem::NotApplicable(problem)) => {
                    Err(ProposerError::new(Kind::NotApplicable, problem))
                }
            }
        }
    }
}

fn check_end(end: &FinishReason) -> Result<(), ProposerError> {
    use ProposerErrorKind as Kind;
    let (kind, problem) = match end {
        FinishReason::Stop => return Ok(()),
        FinishReason::Length => (
            Kind::Truncated,
            "the reply was cut off at the token limit; raise `reflection_model.max_tokens`"
                .to_owned(),
        ),
        FinishReason::Refusal => (Kind::Refused, "the reflection model declined".to_owned()),
        FinishReason::ToolCalls => (
            Kind::NoText,
            "the reply calls tools instead of answering".to_owned(),
        ),
        FinishReason::Other(reason) => (
            Kind::Truncated,
            format!(
                "the reply did not end normally (finish reason `{reason}`), so its text may be incomplete"
            ),
        ),
    };
    Err(ProposerError::new(kind, problem))
}

/// The texts of a reply after they were held against the rules.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// Those that satisfy them: at most the requested number, and none twice.
    pub(crate) usable: Vec<String>,
    /// What is wrong with the first text if none is usable; `None` also if there is no text.
    pub(crate) failure: Option<ReflectionFailure>,
    /// That text, if only its length is wrong.
    pub(crate) overlong: Option<String>,
    /// What is wrong with the other refused texts.
    pub(crate) refused: Vec<ReflectionFailure>,
    /// How many of the usable ones copy words of an example.
    pub(crate) copying: u32,
}

/// Holds texts against the rules of their component, and against the words of the examples if copies are
/// looked for.
pub(crate) fn sift_texts(
    texts: Vec<String>,
    rules: &TextRules,
    most: u32,
    shown: Option<&ShownWords>,
) -> Sifted {
    let copied = |text: &str| shown.and_then(|shown| shown.copied_by(text));
    let check = |text: &str| {
        rules.check(text)?;
        match copied(text) {
            Some(words) if rules.copied == CopiedExamples::Refuse => Err(ReflectionFailure {
                kind: ReflectionFailureKind::CopiedExample,
                message: format!(
                    "the new text copies \"{words}\" from an example; write a rule that holds for other examples"
                ),
            }),
            _ => Ok(()),
        }
    };
    let mut sifted = Sifted::default();
    let mut too_long = None;
    for text in texts {
        // Programs propose texts as well, and theirs were not read from a reply.
        let text = with_plain_lines(&text).into_owned();
        match check(&text) {
            Ok(()) if sifted.usable.contains(&text) => {}
            Ok(()) => sifted.usable.push(text),
            Err(failure) => {
                if sifted.refused.is_empty() && failure.kind == ReflectionFailureKind::TooLong {
                    too_long = Some(text);
                }
                sifted.refused.push(failure);
            }
        }
    }
    if sifted.usable.is_empty() && !sifted.refused.is_empty() {
        sifted.failure = Some(sifted.refused.remove(0));
        sifted.overlong = too_long;
    }
    sifted.usable.truncate(most as usize);
    let copying = sifted.usable.iter().filter(|text| copied(text).is_some());
    sifted.copying = copying.count() as u32;
    sifted
}

#[cfg(test)]
mod tests {
    use gepa_evaluation::Usage;

    use super::*;
    use crate::event::ReflectionFailureKind as Kind;

    #[track_caller]
    fn check(reply: &str, finish_reason: FinishReason, expected: Result<&[&str], Kind>) {
        let rules = TextRules::new("old {q}".into(), vec!["q".into()], 40);
        let completion = Completion {
            text: reply.to_owned(),
            reasoning: None,
            finish_reason,
            tool_calls: vec![],
            usage: Usage::default(),
        };
        let form = Form::Whole(ReplyReading::LastBlock);
        let read = match texts_in(&completion, "old {q}", form, 3) {
            Ok(read) => {
                let sifted = sift_texts(read.texts, &rules, 3, None);
                match sifted.failure {
                    Some(failure) => Err(failure.kind),
                    None => Ok(sifted.usable),
                }
            }
            Err(error) => Err(match error.kind {
                ProposerErrorKind::Truncated => Kind::Truncated,
                ProposerErrorKind::Refused => Kind::Refused,
                _ => Kind::NoFence,
            }),
        };
        let expected = expected.map(|texts| texts.iter().map(ToString::to_string).collect());
        assert_eq!(read, expected, "{reply}");
    }

    #[test]
    fn every_usable_block_is_a_text() {
        let stop = FinishReason::Stop;
        let two = "One:\n```\nfirst {q}\n```\nTwo:\n```\nsecond {q}\n```";
        check(two, stop.clone(), Ok(&["first {q}", "second {q}"]));
        let lossy = "```\nno wildcard\n```\n```\nsecond {q}\n```\n```\nold {q}\n```";
        check(lossy, stop.clone(), Ok(&["second {q}"]));
        let twins = "```\nsame {q}\n```\n```\nsame {q}\n```";
        check(twins, stop.clone(), Ok(&["same {q}"]));
        let nested = "```\na {q}\n```py\nx\n```\n```\n```\nb {q}\n```";
        check(nested, stop.clone(), Ok(&["a {q}\n```py\nx\n```", "b {q}"]));
        let many = "```\n1 {q}\n```\n```\n2 {q}\n```\n```\n3 {q}\n```\n```\n4 {q}\n```";
        check(many, stop, Ok(&["1 {q}", "2 {q}", "3 {q}"]));
    }

    #[test]
    fn a_reply_without_a_usable_block_says_what_is_wrong() {
        let stop = FinishReason::Stop;
        check(
            "```\nnone\n```\n```\nold {q}\n```",
            stop.clone(),
            Err(Kind::LostWildcard),
        );
        check("no block", stop, Err(Kind::NoFence));
        let cut = "```\nfirst {q}\n```\n```\nsec";
        check(cut, FinishReason::Length, Err(Kind::Truncated));
        let whole = "```\nfirst {q}\n```";
        check(whole, FinishReason::Length, Err(Kind::Truncated));
        check(whole, FinishReason::Refusal, Err(Kind::Refused));
        let odd = FinishReason::Other("content_filter".to_owned());
        check(whole, odd, Err(Kind::Truncated));
    }

    #[test]
    fn an_unclosed_block_is_no_text() {
        check(
            "```\nfirst {q}\n```\n```\nsecond {q}\n```\n```\nthird {q}",
            FinishReason::Stop,
            Ok(&["first {q}", "second {q}"]),
        );
    }
}
