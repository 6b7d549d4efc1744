//! Separates a model's reasoning from its answer.

/// Tags around reasoning, as models and serving programs write them, in lower case.
const TAGS: [(&str, &str); 9] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[think]", "[/think]"),
    ("\u{25c1}think\u{25b7}", "\u{25c1}/think\u{25b7}"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<unused94>thought", "<unused95>"),
];
/// Tags that prompts ask for as well, so they are reasoning only where a reply begins with them.
const LEADING_TAGS: [(&str, &str); 1] = [("<reasoning>", "</reasoning>")];
/// Tags around the answer that some of these models put behind their reasoning, in lower case.
const ANSWER_TAGS: [(&str, &str); 2] = [
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|start_response|>", "<|end_response|>"),
];
/// The first characters of all these tags.
const TAG_STARTS: [char; 3] = ['<', '[', '\u{25c1}'];
/// The marks of the format of gpt-oss, in which a reply is a sequence of messages, each in a channel.
const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
const ENDS: [&str; 5] = [
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|start|>assistant",
    "<|start|>",
];
/// The same reply where the serving program took the marks out.
const PLAIN_ANALYSIS: &str = "analysis";
const PLAIN_FINAL: &str = "assistantfinal";

/// A reply in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitReply<'t> {
    /// The reasoning; `None` where the reply marks no text as reasoning.
    pub reasoning: Option<&'t str>,
    /// The answer; the whole reply where no text is marked as reasoning.
    pub answer: &'t str,
}

/// Takes reasoning off the front of a reply: `<think>..</think>` and its relatives in any case, and the
/// channels of gpt-oss before the final one.
///
/// Everything up to the last closing tag is reasoning, since some servers leave the opening tag out
/// and models repeat both. An opening tag at the beginning that is never closed was cut off, so all
/// of the reply is reasoning and the answer is empty. Where no text follows the reasoning, the
/// answer is the text in front of it.
pub fn split_reasoning(reply: &str) -> SplitReply<'_> {
    if let Some(split) = split_channels(reply) {
        return split;
    }
    if !reply.contains(TAG_STARTS) {
        return SplitReply {
            reasoning: None,
            answer: reply,
        };
    }
    let lower = reply.to_ascii_lowercase();
    if let Some(split) = split_leading(reply, &lower) {
        return split;
    }
    let last_end = TAGS
        .iter()
        .filter_map(|(_, close)| Some(lower.rfind(close)? + close.len()))
        .max();
    if let Some(end) = last_end {
        let first_open = TAGS.iter().filter_map(|(open, _)| lower.find(open)).min();
        let front = reply[..first_open.unwrap_or(0)].trim();
        if reply[end..].trim().is_empty() && !front.is_empty() {
            let start = first_open.unwrap_or(0);
            return SplitReply {
                reasoning: Some(without_tags(&reply[start..end], &lower[start..end])),
                answer: front,
            };
        }
        return SplitReply {
            reasoning: Some(without_tags(&reply[..end], &lower[..end])),
            answer: without_answer_tags(&reply[end..], &lower[end..]),
        };
    }
    let start = reply.trim_start();
    let is_open = TAGS
        .iter()
        .any(|(open, _)| lower.trim_start().starts_with(open));
    if is_open {
        let at = reply.len() - start.len();
        return SplitReply {
            reasoning: Some(without_tags(start, &lower[at..])),
            answer: "",
        };
    }
    SplitReply {
        reasoning: None,
        answer: reply,
    }
}

/// Splits a reply that begins with one of the leading tags at the first end of it.
fn split_leading<'t>(reply: &'t str, lower: &str) -> Option<SplitReply<'t>> {
    let lead = lower.len() - lower.trim_start().len();
    let (open, close) = LEADING_TAGS
        .iter()
        .find(|(open, _)| lower[lead..].starts_with(open))?;
    let start = lead + open.len();
    let Some(length) = lower[start..].find(close) else {
        return Some(SplitReply {
            reasoning: Some(reply[start..].trim()),
            answer: "",
        });
    };
    Some(SplitReply {
        reasoning: Some(reply[start..start + length].trim()),
        answer: reply[start + length + close.len()..].trim_start(),
    })
}

/// Splits a reply of gpt-oss at the last message of its final channel. Without one the answer was cut off.
fn split_channels(reply: &str) -> Option<SplitReply<'_>> {
    let start = reply.trim_start();
    if let Some(plain) = start.strip_prefix(PLAIN_ANALYSIS)
        && let Some((reasoning, answer)) = plain.rsplit_once(PLAIN_FINAL)
    {
        return Some(SplitReply {
            reasoning: Some(reasoning.trim()),
            answer: answer.trim_start(),
        });
    }
    let begins = [CHANNEL, "<|start|>", "analysis<|message|>"];
    if !begins.iter().any(|begin| start.starts_with(begin)) {
        return None;
    }
    let (_, first) = start.split_once(MESSAGE)?;
    let channels = start.rmatch_indices(CHANNEL);
    let mut finals = channels.filter(|(at, _)| start[at + CHANNEL.len()..].starts_with("final"));
    let Some((at, _)) = finals.next() else {
        return Some(SplitReply {
            reasoning: Some(without_ends(first)),
            answer: "",
        });
    };
    let (_, answer) = start[at..].split_once(MESSAGE).unwrap_or_default();
    let reasoning = start[..at].split_once(MESSAGE).map(|(_, said)| said);
    Some(SplitReply {
        reasoning: reasoning.map(without_ends),
        answer: without_ends(answer),
    })
}

fn without_ends(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(shorter) = ENDS.iter().find_map(|end| text.strip_suffix(end)) {
        text = shorter.trim_end();
    }
    text
}

/// An answer without the tags around it.
fn without_answer_tags<'t>(answer: &'t str, lower: &str) -> &'t str {
    let lead = lower.len() - lower.trim_start().len();
    let tags = ANSWER_TAGS
        .iter()
        .find(|(open, _)| lower[lead..].starts_with(open));
    let Some((open, close)) = tags else {
        return answer.trim_start();
    };
    let end = lower.rfind(close).unwrap_or(answer.len());
    answer
        .get(lead + open.len()..end)
        .unwrap_or_default()
        .trim()
}

/// The text between an opening tag at its beginning and a closing one at its end.
fn without_tags<'t>(text: &'t str, lower: &str) -> &'t str {
    let lead = lower.len() - lower.trim_start().len();
    let open = TAGS
        .iter()
        .find(|(open, _)| lower[lead..].starts_with(open));
    let start = open.map_or(0, |(open, _)| lead + open.len());
    let close = TAGS.iter().find(|(_, close)| lower.ends_with(close));
    let end = close.map_or(text.len(), |(_, close)| text.len() - close.len());
    text.get(start..end).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reply: &str, reasoning: Option<&str>, answer: &str) {
        assert_eq!(
            split_reasoning(reply),
            SplitReply { reasoning, answer },
            "{reply}"
        );
    }

    #[test]
    fn reasoning_in_front_is_taken_off() {
        check("<think>\nhm\n</think>\n\npos", Some("hm"), "pos");
        check(" <THINK>hm</Think>pos", Some("hm"), "pos");
        check("hm, so\n</think>\npos", Some("hm, so"), "pos");
        check("<think></think>pos", Some(""), "pos");
        check("[THINK]hm[/THINK]pos", Some("hm"), "pos");
        check(
            "<think>a<think>b</think>c</think>d",
            Some("a<think>b</think>c"),
            "d",
        );
    }

    #[test]
    fn reasoning_is_taken_off_in_the_words_of_each_model() {
        for reply in [
            "<reasoning>a</reasoning>x",
            "<seed:think>a</seed:think>x",
            "\u{25c1}think\u{25b7}a\u{25c1}/think\u{25b7}x",
            "<|begin_of_thought|>a<|end_of_thought|>x",
            "<|begin_of_thought|>\na\n<|end_of_thought|>\n<|begin_of_solution|>\nx\n<|end_of_solution|>",
            "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>x<|END_RESPONSE|>",
            "<unused94>thought\na<unused95>x",
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>x",
            "<|start|>assistant<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>x<|return|>",
            "analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>x",
            "analysisaassistantfinalx",
        ] {
            check(reply, Some("a"), "x");
        }
        check("<|channel|>final<|message|>x<|return|>", None, "x");
        check(
            "<|channel|>analysis<|message|>and then",
            Some("and then"),
            "",
        );
        check("\u{25c1}think\u{25b7}and then", Some("and then"), "");
        check("<reasoning>and then", Some("and then"), "");
        let prompt = "```\nWrite <reasoning>..</reasoning>, then the answer.\n```";
        check(prompt, None, prompt);
        check("analysis of it: x", None, "analysis of it: x");
        check(
            "The mark <|channel|> is one.",
            None,
            "The mark <|channel|> is one.",
        );
    }

    #[test]
    fn reasoning_that_was_cut_off_leaves_no_answer() {
        check("<think>and then", Some("and then"), "");
        check("<think>and then</think>\n", Some("and then"), "");
        check("pos\n<think>or not</think>\n", Some("or not"), "pos");
    }

    #[test]
    fn a_reply_without_reasoning_stays_as_it_is() {
        check(" pos\n", None, " pos\n");
        check("pos <think>", None, "pos <think>");
        check("", None, "");
    }
}
