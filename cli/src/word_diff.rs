//! The differences between two texts, word by word, marked so that they are visible without colour.

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::{ChangeTag, DiffOp, DiffableStr};

/// The new text with `[-removed-]` and `{+added+}` words marked.
pub(crate) fn word_diff(before: &str, after: &str, has_colour: bool) -> String {
    let (before, after) = (before.tokenize_words(), after.tokenize_words());
    let operations = operations(&before, &after);
    let changes = operations
        .iter()
        .flat_map(|operation| operation.iter_changes(&before, &after));
    let mut runs: Vec<(ChangeTag, String)> = Vec::new();
    for change in changes {
        match runs.last_mut() {
            Some((tag, text)) if *tag == change.tag() => text.push_str(change.value()),
            _ => runs.push((change.tag(), change.value().to_owned())),
        }
    }
    runs.into_iter()
        .map(|(tag, text)| match tag {
            ChangeTag::Equal => text,
            ChangeTag::Delete if text.trim().is_empty() => String::new(),
            ChangeTag::Delete => marked("[-", &text, "-]", "31", has_colour),
            ChangeTag::Insert => marked("{+", &text, "+}", "32", has_colour),
        })
        .collect()
}

/// What makes one list of words the other. `TextDiff` does the same, but brings the code of every algorithm.
fn operations(before: &[&str], after: &[&str]) -> Vec<DiffOp> {
    let mut hook = Compact::new(Replace::new(Capture::new()), before, after);
    match myers::diff(&mut hook, before, 0..before.len(), after, 0..after.len()) {
        Ok(()) => hook.into_inner().into_inner().into_ops(),
        Err(never) => match never {},
    }
}

/// Marks a text. White space at its edges stays outside of the markers, so that line breaks stay
/// where they are.
fn marked(open: &str, text: &str, close: &str, colour: &str, has_colour: bool) -> String {
    let inner = text.trim();
    if inner.is_empty() {
        return text.to_owned();
    }
    let start = text.len() - text.trim_start().len();
    let (lead, tail) = (&text[..start], &text[start + inner.len()..]);
    if has_colour {
        format!("{lead}\x1b[{colour}m{open}{inner}{close}\x1b[0m{tail}")
    } else {
        format!("{lead}{open}{inner}{close}{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &str) {
        assert_eq!(word_diff(before, after, false), expected);
    }

    #[test]
    fn words_are_marked_where_they_changed() {
        check(
            "say yes or no",
            "say maybe or no",
            "say [-yes-]{+maybe+} or no",
        );
        check("a b", "a b c d", "a b {+c d+}");
        check("same", "same", "same");
        check("", "all new", "{+all new+}");
    }

    #[test]
    fn colour_is_added_to_the_markers_not_put_in_their_place() {
        let text = word_diff("a", "b", true);
        assert_eq!(text, "\x1b[31m[-a-]\x1b[0m\x1b[32m{+b+}\x1b[0m");
    }
}
