//! The parts of a prompt that can be removed one at a time.

use std::collections::BTreeSet;
use std::ops::Range;

use gepa_engine::Candidate;
use gepa_evaluation::wildcards_in;

/// A line or a sentence of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) component: String,
    /// Its place in the component's text, with the white space behind it.
    place: Range<usize>,
    /// Its text, without white space around it.
    pub(crate) text: String,
    /// Whether it holds a wildcard, which a prompt cannot lose.
    pub(crate) is_fixed: bool,
}

/// The parts of all components, in order. A component that is a single part has none, because an
/// empty text is no prompt.
pub(crate) fn parts(candidate: &Candidate) -> Vec<Part> {
    let mut found = Vec::new();
    for (component, text) in candidate.components() {
        let lines = pieces(text, line_ends(text));
        let pieces = if lines.len() > 1 {
            lines
        } else {
            pieces(text, sentence_ends(text))
        };
        if pieces.len() < 2 {
            continue;
        }
        found.extend(pieces.into_iter().map(|place| {
            let piece = text[place.clone()].trim();
            Part {
                component: component.to_string(),
                is_fixed: !wildcards_in(piece).is_empty(),
                text: piece.to_owned(),
                place,
            }
        }));
    }
    found
}

/// The candidate without these parts; `None` if a component would be empty.
pub(crate) fn without(
    candidate: &Candidate,
    parts: &[Part],
    removed: &BTreeSet<usize>,
) -> Option<Candidate> {
    let mut texts = Vec::new();
    for (component, text) in candidate.components() {
        let mut rest = String::with_capacity(text.len());
        let mut end = 0;
        let of_component = removed.iter().filter_map(|part| parts.get(*part));
        for part in of_component.filter(|part| *part.component == **component) {
            rest.push_str(&text[end..part.place.start]);
            end = part.place.end;
        }
        rest.push_str(&text[end..]);
        if end == text.len() {
            // The last part took its line break along; the one before it stays behind.
            rest.truncate(rest.trim_end().len());
        }
        if rest.trim().is_empty() && end > 0 {
            return None;
        }
        texts.push((component.to_string(), rest));
    }
    Candidate::new(texts).ok()
}

/// The pieces between the ends; pieces of white space belong to the piece before them.
fn pieces(text: &str, ends: Vec<usize>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for end in ends.into_iter().chain([text.len()]) {
        if text[start..end].trim().is_empty() {
            if let Some(before) = found.last_mut() {
                before.end = end;
                start = end;
            }
        } else {
            found.push(start..end);
            start = end;
        }
    }
    found
}

fn line_ends(text: &str) -> Vec<usize> {
    text.match_indices('\n').map(|(at, _)| at + 1).collect()
}

/// The places behind the white space that follows a full stop, or another end of a sentence.
fn sentence_ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut is_ended = false;
    let mut is_between = false;
    for (at, symbol) in text.char_indices() {
        if symbol.is_whitespace() {
            is_between = is_ended;
            continue;
        }
        if is_between {
            ends.push(at);
        }
        is_between = false;
        is_ended = matches!(
            symbol,
            '.' | '!' | '?' | '\u{3002}' | '\u{ff01}' | '\u{ff1f}'
        );
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(text: &str) -> Candidate {
        Candidate::new([("words", text)]).unwrap()
    }

    fn texts(text: &str) -> Vec<String> {
        let parts = parts(&candidate(text));
        parts.into_iter().map(|part| part.text).collect()
    }

    #[test]
    fn a_text_falls_into_lines_or_else_into_sentences() {
        assert_eq!(texts("a\n\n- b. c\n d \n"), ["a", "- b. c", "d"]);
        assert_eq!(
            texts("One. Two 1.5 words!  Three"),
            ["One.", "Two 1.5 words!", "Three"]
        );
        assert_eq!(texts("only one sentence\n"), Vec::<String>::new());
        assert_eq!(texts("é. ü"), ["é.", "ü"]);
    }

    #[test]
    fn parts_are_removed_without_a_trace_and_never_all_of_them() {
        let text = "a\n\n- b. c\n d";
        let whole = candidate(text);
        let parts = parts(&whole);
        let rest = |removed: &[usize]| {
            let removed = removed.iter().copied().collect();
            let rest = without(&whole, &parts, &removed)?;
            Some(rest.components()["words"].to_string())
        };
        assert_eq!(rest(&[]).as_deref(), Some(text));
        assert_eq!(rest(&[0]).as_deref(), Some("- b. c\n d"));
        assert_eq!(rest(&[1]).as_deref(), Some("a\n\n d"));
        assert_eq!(rest(&[2]).as_deref(), Some("a\n\n- b. c"));
        assert_eq!(rest(&[0, 2]).as_deref(), Some("- b. c"));
        assert_eq!(rest(&[0, 1, 2]), None);
    }

    #[test]
    fn what_holds_a_wildcard_stays() {
        let parts = parts(&candidate("Read {text}.\nAnswer."));
        assert_eq!([parts[0].is_fixed, parts[1].is_fixed], [true, false]);
    }
}
