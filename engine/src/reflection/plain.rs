//! Line ends and control characters in the texts of candidates.

use std::borrow::Cow;

/// A text whose lines end with a line feed, without control characters other than tabs.
pub(crate) fn with_plain_lines(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_kept) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(text.chars().filter(|sign| is_kept(*sign)).collect())
}

/// The first control character of a text that is neither a tab nor part of a line end (a line feed, or a
/// carriage return and a line feed), in words that name its line. `None` if there is none.
pub fn control_character_in(text: &str) -> Option<String> {
    let mut line = 1;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        let ends_line = sign == '\r' && signs.peek() == Some(&'\n');
        if sign == '\n' {
            line += 1;
        } else if sign == '\r' && !ends_line {
            return Some(format!(
                "a carriage return without a line feed in line {line}"
            ));
        } else if !ends_line && !is_kept(sign) {
            let number = u32::from(sign);
            return Some(format!(
                "the control character U+{number:04X} in line {line}"
            ));
        }
    }
    None
}

fn is_kept(sign: char) -> bool {
    !sign.is_control() || matches!(sign, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_line_feeds_and_control_characters_are_removed() {
        let read = with_plain_lines("\u{1b}[1mone\r\n\ttwo\rthree\0\u{85}\n\u{200b}é");
        assert_eq!(read, "[1mone\n\ttwo\nthree\n\u{200b}é");
        assert!(matches!(with_plain_lines("one\n\ttwo"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_first_control_character_is_named_with_its_line() {
        let found = |text: &str| control_character_in(text).unwrap_or_default();
        assert_eq!(found("one\r\n\ttwo\n"), "");
        assert_eq!(
            found("one\r\ntwo\rthree"),
            "a carriage return without a line feed in line 2"
        );
        assert_eq!(
            found("a\0b\u{1b}"),
            "the control character U+0000 in line 1"
        );
        assert_eq!(
            found("a\n\nb\u{85}"),
            "the control character U+0085 in line 3"
        );
        assert_eq!(
            found("a\r"),
            "a carriage return without a line feed in line 1"
        );
    }
}
