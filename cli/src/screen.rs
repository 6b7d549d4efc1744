//! Text of models and evaluators, made harmless for a terminal.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

/// Escapes everything that a terminal obeys instead of showing: control characters other than line ends
/// and tabs, and marks that change the direction of text.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_obeyed(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_obeyed(character: char) -> bool {
    let is_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    is_direction || (character.is_control() && !matches!(character, '\n' | '\t'))
}

/// A writer of text for people, which escapes what a terminal would obey.
#[derive(Debug)]
pub(crate) struct Screen<W>(pub(crate) W);

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Buffers hand over whole texts, so no character is cut in two.
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(shown(&text).as_bytes())?;
        Ok(bytes.len())
    }

    /// Formats the whole text before it is written, so that lines of two writers do not mix.
    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        self.0.write_all(shown(&fmt::format(text)).as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_by_a_model() {
        assert_eq!(shown("plain\n\ttext, häß 日本"), "plain\n\ttext, häß 日本");
        assert_eq!(
            shown("\u{1b}[31mred\u{7}\r\u{202e}x\u{9b}2J"),
            "\\u{1b}[31mred\\u{7}\\u{d}\\u{202e}x\\u{9b}2J"
        );
        let mut screen = Screen(Vec::new());
        write!(screen, "a\u{1b}{}", String::from("\u{2066}b")).unwrap();
        assert_eq!(screen.0, b"a\\u{1b}\\u{2066}b");
    }
}
