//! The places in a pattern where values go: `{name}`.

use std::sync::Arc;

/// A piece of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternPart<'a> {
    /// Text that stays as it is.
    Text(&'a str),
    /// The name inside a wildcard `{name}`.
    Wildcard(&'a str),
}

/// Splits a pattern at its wildcards.
///
/// A wildcard is `{name}` with a name of letters, digits, `_`, `-` and `.`; every other brace is text,
/// so JSON in a prompt stays what it is. The argument of a LaTeX command of two or more letters, as in
/// `\boxed{answer}` and `\frac{a}{b}`, is text as well.
pub fn split_wildcards(pattern: &str) -> impl Iterator<Item = PatternPart<'_>> {
    split_wildcards_named(pattern, is_plain_name)
}

/// Like [`split_wildcards`], with another rule for names, for example one that allows a column name
/// with a space. A name is never empty, contains no brace and no line end, and neither begins nor
/// ends with white space.
pub fn split_wildcards_named(
    pattern: &str,
    is_name: impl Fn(&str) -> bool,
) -> impl Iterator<Item = PatternPart<'_>> {
    let mut at = 0;
    let mut argument_end = None;
    std::iter::from_fn(move || {
        let rest = pattern.get(at..).filter(|rest| !rest.is_empty())?;
        let mut text_begins = rest.chars().next().map_or(0, char::len_utf8);
        if let Some(name) = braced(rest) {
            let end = name.len() + 2;
            if argument_end == Some(at) || ends_with_command(&pattern[..at]) {
                argument_end = Some(at + end);
                text_begins = end;
            } else if may_be_name(name) && is_name(name) {
                at += end;
                return Some(PatternPart::Wildcard(name));
            }
        }
        let text_end = rest[text_begins..]
            .find('{')
            .map_or(rest.len(), |found| text_begins + found);
        at += text_end;
        Some(PatternPart::Text(&rest[..text_end]))
    })
}

/// The wildcard names in a pattern, in order of appearance, each once.
pub fn wildcards_in(pattern: &str) -> Vec<Arc<str>> {
    wildcards_named(pattern, is_plain_name)
}

/// Like [`wildcards_in`], with another rule for names.
pub fn wildcards_named(pattern: &str, is_name: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for part in split_wildcards_named(pattern, is_name) {
        if let PatternPart::Wildcard(name) = part
            && !names.iter().any(|known| &**known == name)
        {
            names.push(name.into());
        }
    }
    names
}

/// Whether a text is a name wherever it stands in braces.
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The text between a leading `{` and the `}` that ends it.
fn braced(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find(['{', '}'])?;
    inside[end..].starts_with('}').then_some(&inside[..end])
}

fn may_be_name(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.contains(['\n', '\r'])
}

/// `\n` and `\t` in front of a brace are a line end typed with a backslash, not commands.
fn ends_with_command(text: &str) -> bool {
    let before = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    text.len() - before.len() >= 2 && before.ends_with('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_latex_commands_are_text() {
        assert!(wildcards_in(r"End with \boxed{answer}.").is_empty());
        assert!(wildcards_in(r"\frac{a}{b}").is_empty());
        assert_eq!(wildcards_in(r"\boxed{{answer}}"), ["answer".into()]);
        assert_eq!(wildcards_in(r"Q:\n{question}"), ["question".into()]);
        assert_eq!(
            wildcards_in("{first}{last}"),
            ["first".into(), "last".into()]
        );
    }

    #[test]
    fn names_with_spaces_are_wildcards_where_they_are_known() {
        let pattern = "{Review Text} {some words} { text }";
        assert!(wildcards_in(pattern).is_empty());
        let found = wildcards_named(pattern, |name| name == "Review Text");
        assert_eq!(found, ["Review Text".into()]);
    }

    #[test]
    fn the_parts_put_together_are_the_pattern() {
        for pattern in [
            r"\frac{a}{b}{c}",
            "{{a}}",
            "{a",
            "é{b}é",
            "{}",
            r"\boxed{a{b}}",
        ] {
            let mut joined = String::new();
            for part in split_wildcards(pattern) {
                match part {
                    PatternPart::Text(text) => joined.push_str(text),
                    PatternPart::Wildcard(name) => joined.extend(["{", name, "}"]),
                }
            }
            assert_eq!(joined, pattern);
        }
    }
}
