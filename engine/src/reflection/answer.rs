//! The part of a reply behind the reasoning, where a new text may speak of reasoning itself.

use std::ops::Range;

use gepa_evaluation::split_reasoning;

/// The reply without reasoning. What stands at `texts`, the places of new texts, neither begins nor ends
/// reasoning.
pub(super) fn behind_reasoning(reply: &str, texts: impl Iterator<Item = Range<usize>>) -> &str {
    let mut masked = reply.as_bytes().to_vec();
    let mut last = 0;
    for place in texts {
        last = last.max(place.end);
        mask(&mut masked[place]);
    }
    if last > 0 && speaks_of_reasoning(&reply[last..]) {
        mask(&mut masked[last..]);
    }
    // Whole characters were replaced by ASCII.
    let masked = String::from_utf8(masked).unwrap_or_else(|_| reply.to_owned());
    let answer = split_reasoning(&masked).answer;
    if answer.trim().is_empty() {
        return split_reasoning(reply).answer;
    }
    let start = answer.as_ptr() as usize - masked.as_ptr() as usize;
    &reply[start..start + answer.len()]
}

fn mask(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b'x';
    }
}

/// Whether words behind the last text name tags, as a pair. A closing tag alone ends reasoning, and the
/// text was a draft.
fn speaks_of_reasoning(words: &str) -> bool {
    let named = split_reasoning(words).reasoning;
    named.is_some_and(|named| named.contains(['<', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reflection::fences::fences_of;

    #[track_caller]
    fn check(reply: &str, answer: &str) {
        let places = fences_of(reply, "").blocks.into_iter();
        let read = behind_reasoning(reply, places.map(|block| block.place));
        assert_eq!(read, answer, "{reply}");
    }

    #[test]
    fn tags_inside_a_text_end_no_reasoning() {
        let block = "```\nWrite <think>...</think>, then the answer.\n```";
        check(block, block);
        check(&format!("<think>hm</think>\n{block}"), block);
        check(&format!("hm\n</think>\n{block}"), block);
        let told = format!("{block}\nThe text asks for <think>...</think> now.");
        check(&told, &told);
        let draft = "```\nd\u{e9}\n```";
        check(&format!("<think>\n{draft}\n</think>\n{block}"), block);
    }

    #[test]
    fn a_draft_stays_reasoning() {
        check("<think>\n```\ndraft\n```\n</think>\nSorry.", "Sorry.");
        check("hm\n```\ndraft\n```\n</think>\nSorry.", "Sorry.");
        check("<think>\n```\ndraft\n```", "");
        check("", "");
    }
}
