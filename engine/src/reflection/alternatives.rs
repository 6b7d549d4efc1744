//! Several new texts in one reply.

use gepa_evaluation::Completion;

use super::reply::{TextRules, read_completion, read_reply};
use crate::event::ReflectionFailure;

/// What is added to a reflection prompt to get so many different texts.
pub(crate) fn request(texts: u32) -> String {
    format!(
        "\n\nWrite {texts} versions of the new text instead of one. Let each follow another idea of what \
         went wrong, and let each be complete. Put each inside a ``` block of its own, and nothing else \
         into the blocks."
    )
}

/// The new texts in a completion, at most so many, each by the rules and none twice. Where only one
/// is asked for, or the reply holds a single block, it is read as [`read_completion`] does.
///
/// # Errors
///
/// What is wrong with the first block where none is usable.
pub fn read_texts(
    completion: &Completion,
    rules: &TextRules,
    most: u32,
) -> Result<Vec<String>, ReflectionFailure> {
    let whole = read_completion(completion, rules);
    let blocks = blocks(&completion.text);
    if most <= 1 || blocks.len() <= 1 || whole.as_ref().is_err_and(is_about_the_reply) {
        return whole.map(|text| vec![text]);
    }
    let mut texts: Vec<String> = Vec::new();
    let mut first_failure = None;
    for block in blocks {
        match read_reply(&block, rules) {
            Ok(text) if texts.contains(&text) => {}
            Ok(text) => texts.push(text),
            Err(failure) => {
                first_failure.get_or_insert(failure);
            }
        }
    }
    texts.truncate(most as usize);
    match first_failure {
        Some(failure) if texts.is_empty() => Err(failure),
        _ => Ok(texts),
    }
}

/// Whether the reply as a whole cannot be used, whatever its blocks hold.
fn is_about_the_reply(failure: &ReflectionFailure) -> bool {
    use crate::event::ReflectionFailureKind as Kind;
    matches!(failure.kind, Kind::Truncated | Kind::Refused)
}

/// The complete outermost blocks, fences included. A fence line that names a language opens a block
/// within the one it stands in.
fn blocks(reply: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    let mut depth = 0;
    for line in reply.lines() {
        let fence = line.trim().strip_prefix("```");
        match fence {
            Some(language) if depth == 0 || !language.is_empty() => depth += 1,
            Some(_) => depth -= 1,
            None => {}
        }
        if depth > 0 || fence.is_some() {
            block.push_str(line);
            block.push('\n');
        }
        if depth == 0 && fence.is_some() {
            blocks.push(std::mem::take(&mut block));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use gepa_evaluation::{FinishReason, Usage};

    use super::*;
    use crate::event::ReflectionFailureKind as Kind;

    #[track_caller]
    fn check(reply: &str, finish_reason: FinishReason, expected: Result<&[&str], Kind>) {
        let rules = TextRules {
            current: "old {q}".into(),
            may_repeat: false,
            wildcards: vec!["q".into()],
            max_chars: 40,
        };
        let completion = Completion {
            text: reply.to_owned(),
            finish_reason,
            tool_calls: vec![],
            usage: Usage::default(),
        };
        let read = read_texts(&completion, &rules, 3).map_err(|failure| failure.kind);
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
