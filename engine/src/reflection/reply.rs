//! Reads the reflection model's reply. A reply that is not clearly a complete new text is a failure with
//! a reason, never a new prompt.

use serde_json::Value;

use super::answer::behind_reasoning;
use super::fences::{Block, Fences, fences_of, has_fence};
use super::plain::with_plain_lines;
use super::rules::TextRules;
use crate::config::ReplyReading;
use crate::event::{ReflectionFailure, ReflectionFailureKind};

/// The new text in a reply that ended normally, read as [`ReplyReading::LastBlock`] says.
///
/// # Errors
///
/// Fails if there is no complete block, or if its text breaks the rules.
pub fn read_reply(reply: &str, rules: &TextRules) -> Result<String, ReflectionFailure> {
    let texts = texts_of(reply, &rules.current, ReplyReading::LastBlock, 1).map_err(|message| {
        let kind = ReflectionFailureKind::NoFence;
        ReflectionFailure { kind, message }
    })?;
    // Without an error there is a text.
    let text = texts.into_iter().next().unwrap_or_default();
    rules.check(&text)?;
    Ok(text)
}

/// The texts of a reply, at least one. If several are wanted, each block is a text.
///
/// # Errors
///
/// Says why no text can be read.
pub(super) fn texts_of(
    reply: &str,
    current: &str,
    reading: ReplyReading,
    wanted: u32,
) -> Result<Vec<String>, String> {
    let (lines, current) = (with_plain_lines(reply), with_plain_lines(current));
    let answer = answer_of(&lines, &current);
    if wanted > 1 {
        let blocks = fences_of(answer, &current).blocks.into_iter();
        let texts = blocks.filter(|block| foreign(block, &current).is_none());
        let texts: Vec<String> = texts.map(|block| block.text.into_owned()).collect();
        if texts.len() > 1 {
            return Ok(texts);
        }
    }
    match reading {
        ReplyReading::LastBlock => {
            let text = last_block(answer, &current, !reply.trim().is_empty())?;
            Ok(vec![text])
        }
        ReplyReading::Reference => Ok(vec![as_the_reference(reply).to_owned()]),
    }
}

/// The reply without its reasoning.
fn answer_of<'t>(reply: &'t str, current: &str) -> &'t str {
    let fences = fences_of(reply, current);
    // Where a fence is left open, the places of the texts are not known.
    let blocks = (!fences.is_cut_off).then_some(fences.blocks);
    let places = blocks.into_iter().flatten().map(|block| block.place);
    behind_reasoning(reply, places)
}

/// Why a block is no new text, by its language: a difference to the present text, or JSON around a text.
fn foreign(block: &Block<'_>, current: &str) -> Option<&'static str> {
    let is_structure = |text: &str| {
        let parsed: Result<Value, _> = serde_json::from_str(text);
        parsed.is_ok_and(|value| value.is_object() || value.is_array())
    };
    match block.language.to_ascii_lowercase().as_str() {
        "diff" | "patch" => Some("differences"),
        "json" | "jsonl" if is_structure(&block.text) && !is_structure(current) => Some("JSON"),
        _ => None,
    }
}

/// The last block on the top level that does not quote the present text.
fn last_block(answer: &str, current: &str, has_reply: bool) -> Result<String, String> {
    if answer.trim().is_empty() {
        let problem = if has_reply {
            "the reply is reasoning only"
        } else {
            "the reply is empty"
        };
        return Err(problem.to_owned());
    }
    let Fences { blocks, is_cut_off } = fences_of(answer, current);
    if is_cut_off {
        let problem = "the reply has a block that is never closed, so its text may be incomplete";
        return Err(problem.to_owned());
    }
    let is_quote = |text: &str| text == current.trim();
    let (foreign_ones, blocks): (Vec<_>, Vec<_>) = blocks
        .into_iter()
        .partition(|block| foreign(block, current).is_some());
    let others = blocks.iter().filter(|block| !is_quote(&block.text)).count();
    if others > 1 && has_fence(current) {
        // The text has blocks of its own, so these may be parts of one text.
        return Err(
            "the reply has several blocks, and the present text has fences of its own; the new text must \
             stand inside one block whose fences are longer than those inside it"
                .to_owned(),
        );
    }
    let new = blocks.iter().rfind(|block| !is_quote(&block.text));
    let kind = foreign_ones
        .last()
        .and_then(|block| foreign(block, current));
    match (new.or(blocks.last()), kind) {
        (Some(block), _) => Ok(block.text.to_string()),
        (None, Some(kind)) => Err(format!(
            "the reply's block holds {kind} and not the complete new text"
        )),
        (None, None) => Err(without_block(answer)),
    }
}

/// Why a reply without a block holds no text.
fn without_block(answer: &str) -> String {
    let tag = answer.trim_start().strip_prefix('<');
    let tag = tag
        .and_then(|rest| rest.split_once('>'))
        .map(|(name, _)| name);
    match tag.filter(|name| answer.contains(&format!("</{name}>"))) {
        Some(name) => format!(
            "the reply has its text inside <{name}>..</{name}> and not inside a block between ``` fences"
        ),
        None => "the reply holds no block between two ``` fences".to_owned(),
    }
}

/// The reading of the reference implementation, to the letter: the text between the first and the last
/// three backticks, or what is left of a reply without two of them.
fn as_the_reference(reply: &str) -> &str {
    const FENCE: &str = "```";
    let start = reply
        .find(FENCE)
        .map_or(FENCE.len() - 1, |at| at + FENCE.len());
    match reply.rfind(FENCE) {
        Some(end) if start < end => python_strip(after_language(&reply[start..end], false)),
        _ => {
            let stripped = python_strip(reply);
            if stripped.starts_with(FENCE) {
                match reply.strip_prefix(FENCE) {
                    Some(rest) => python_strip(after_language(rest, true)),
                    None => stripped,
                }
            } else {
                stripped.strip_suffix(FENCE).map_or(stripped, python_strip)
            }
        }
    }
}

/// The text after a first line that is a single word. `even_unended` drops the word also where no line
/// ends after it.
fn after_language(text: &str, even_unended: bool) -> &str {
    let word = text.find(is_python_space).unwrap_or(text.len());
    match text[word..].strip_prefix('\n') {
        Some(rest) => rest,
        None if even_unended => &text[word..],
        None => text,
    }
}

fn python_strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}

/// Whether Python counts a character as white space.
fn is_python_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, expected: Result<&str, ReflectionFailureKind>) {
        let rules = TextRules::new("old text".into(), vec!["q".into()], 40);
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
        check(
            "It was:\n```\nold text\n```\nBetter:\n```\nAnswer {q}.\n```\nIt replaces:\n```\nold text\n```",
            Ok("Answer {q}."),
        );
        check(
            "<think>\n```\ndraft {q}\n```\n</think>\n~~~\nAnswer {q}.\n~~~",
            Ok("Answer {q}."),
        );
    }

    #[test]
    fn a_text_may_speak_of_reasoning_and_is_free_of_signs_that_break_it() {
        check(
            "```\nWrite <think>{q}</think> first.\n```",
            Ok("Write <think>{q}</think> first."),
        );
        check("\u{feff}```\nAnswer {q}.\n```", Ok("Answer {q}."));
        check("```\r\nOne\r\n{q}\rend\0.\r\n```", Ok("One\n{q}\nend."));
        check(
            "```\nAnswer {q}.\n```\nIn short:\n```diff\n-old\n+Answer {q}.\n```",
            Ok("Answer {q}."),
        );
    }

    #[test]
    fn a_difference_or_json_is_no_text() {
        use ReflectionFailureKind as Kind;
        check("```diff\n-old text\n+NEW {q}\n```", Err(Kind::NoFence));
        check(
            "```json\n{\"instruction\": \"{q}\"}\n```",
            Err(Kind::NoFence),
        );
        check(
            "```json\nAnswer {q} as JSON.\n```",
            Ok("Answer {q} as JSON."),
        );
        let rules = TextRules::new("{\"role\": \"judge\"}".into(), vec![], 40);
        let read = read_reply("```json\n{\"role\": \"poet\"}\n```", &rules);
        assert_eq!(read.as_deref(), Ok("{\"role\": \"poet\"}"));
    }

    #[test]
    fn everything_else_is_a_failure_with_its_reason() {
        use ReflectionFailureKind as Kind;
        check("Answer {q} now.", Err(Kind::NoFence));
        check("```\nAnswer {q} now, and then", Err(Kind::NoFence));
        check("", Err(Kind::NoFence));
        check("```\n\n```", Err(Kind::Empty));
        check("``````", Err(Kind::NoFence));
        check("<new>\nAnswer {q} now.\n</new>", Err(Kind::NoFence));
        check("<think>\n```\ndraft {q}\n```", Err(Kind::NoFence));
        check("```\nAnswer {q}.\n```\n```\nAnd {q}", Err(Kind::NoFence));
        check("```\nold text\n```", Err(Kind::Unchanged));
        check("```\nAnswer now.\n```", Err(Kind::LostWildcard));
        check(
            &format!("```\n{{q}}{}\n```", "x".repeat(40)),
            Err(Kind::TooLong),
        );
    }

    #[test]
    fn parts_of_a_text_with_fences_are_no_text() {
        let rules = TextRules::new("Do it.\n```\nsample\n```".into(), vec![], 100);
        let ambiguous = "```\nDo it well.\n```\nsample\n```\nEnd.\n```";
        let failure = read_reply(ambiguous, &rules).unwrap_err();
        assert!(failure.message.contains("longer"), "{failure:?}");
        let clear = format!("````\n{}\n````", "Do it well.\n```\nsample\n```");
        assert_eq!(
            read_reply(&clear, &rules).unwrap(),
            "Do it well.\n```\nsample\n```"
        );
    }

    #[test]
    fn the_reading_of_the_reference_stays_to_the_letter() {
        let check = |reply: &str, expected: &str| {
            let read = texts_of(reply, "", ReplyReading::Reference, 1).unwrap();
            assert_eq!(read, [expected], "{reply}");
        };
        check(
            "a\n```\nold\n```\nb\n```\nnew\n```",
            "old\n```\nb\n```\nnew",
        );
        check("```Classify:\nx\n```", "x");
        check("```markdown title=a\nx\n```", "markdown title=a\nx");
        check(
            "<think>\n```\nd\n```\n</think>\n```\nx\n```",
            "d\n```\n</think>\n```\nx",
        );
        check("  no block  ", "no block");
        check("```md\nunclosed", "unclosed");
        check("closed only\n```", "closed only");
        check("", "");
    }
}
