//! Separates a model's reasoning from its answer.

/// Tags around reasoning, as models and serving programs write them.
const TAGS: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("[think]", "[/think]"),
];

/// A reply in two parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitReply<'t> {
    /// The reasoning; `None` where the reply marks no text as reasoning.
    pub reasoning: Option<&'t str>,
    /// The answer; the whole reply where no text is marked as reasoning.
    pub answer: &'t str,
}

/// Takes reasoning off the front of a reply: `<think>..</think>` and its relatives in any case.
///
/// Everything up to the last closing tag is reasoning, since some servers leave the opening tag out
/// and models repeat both. An opening tag at the beginning that is never closed was cut off, so all
/// of the reply is reasoning and the answer is empty. Where no text follows the reasoning, the
/// answer is the text in front of it.
pub fn split_reasoning(reply: &str) -> SplitReply<'_> {
    let lower = reply.to_ascii_lowercase();
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
            answer: reply[end..].trim_start(),
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
