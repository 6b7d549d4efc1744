//! A text in which numbers are written one way: plain digits, `-`, `/` and `^`.

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

use crate::scorer::plain_text::is_invisible;

/// The space that sets thousands apart and never words.
pub(super) const THIN_SPACE: char = '\u{a0}';

/// Rewrites the number notations of Unicode and LaTeX.
#[derive(Debug)]
pub(super) struct Preparation {
    fraction: Regex,
    short_fraction: Regex,
    exponent: Regex,
}

impl Preparation {
    pub(super) fn new() -> Self {
        let compiled = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        Self {
            fraction: compiled(
                r"(\d)?\\[dtc]?frac\s*\{\s*(\d[\d.,]*)\s*\}\s*\{\s*(\d[\d.,]*)\s*\}",
            ),
            short_fraction: compiled(r"(\d)?\\[dtc]?frac(\d)(\d)"),
            exponent: compiled(r"\^\s*\{\s*([-+]?\d+)\s*\}"),
        }
    }

    pub(super) fn apply(&self, text: &str) -> String {
        let plain = without_latex_marks(&in_plain_characters(text));
        if !plain.contains(['\\', '^']) {
            return plain;
        }
        let plain = self.fraction.replace_all(&plain, in_one_line);
        let plain = self.short_fraction.replace_all(&plain, in_one_line);
        self.exponent.replace_all(&plain, "^$1").into_owned()
    }
}

/// A whole number in front makes it a mixed number.
fn in_one_line(found: &Captures<'_>) -> String {
    let part = |group: usize| found.get(group).map_or("", |text| text.as_str());
    let space = if part(1).is_empty() { "" } else { " " };
    [part(1), space, part(2), "/", part(3)].concat()
}

fn in_plain_characters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            _ if c.is_ascii() => plain.push(c),
            _ if is_invisible(c) => continue,
            _ if superscript(c).is_some() => {
                if superscript(before).is_none() {
                    plain.push('^');
                }
                plain.extend(superscript(c));
            }
            '\u{2080}'..='\u{2089}' => {
                plain.push('_');
                plain.extend(std::iter::once(c).nfkc());
            }
            '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215e}' => {
                if plain.ends_with(|last: char| last.is_ascii_digit()) {
                    plain.push(' ');
                }
                let parts = std::iter::once(c).nfkc();
                plain.extend(parts.map(|part| if part == '\u{2044}' { '/' } else { part }));
            }
            '\u{2010}'..='\u{2013}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => plain.push('-'),
            '\u{2044}' | '\u{2215}' => plain.push('/'),
            '\u{a0}' | '\u{2007}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => plain.push(THIN_SPACE),
            '\u{2019}' => plain.push('\''),
            '\u{b7}' | '\u{22c5}' | '\u{2217}' => plain.push('\u{d7}'),
            '\u{66b}' => plain.push('.'),
            '\u{66c}' => plain.push(','),
            _ => match decimal_digit(c) {
                Some(digit) => plain.push(digit),
                None => plain.extend(std::iter::once(c).nfkc()),
            },
        }
        before = c;
    }
    plain
}

fn without_latex_marks(text: &str) -> String {
    if !text.contains('\\') && !text.contains("{,}") {
        return text.to_owned();
    }
    let mut plain = text.to_owned();
    for (mark, meaning) in [
        ("{,}", ","),
        (r"\,", "\u{a0}"),
        (r"\;", "\u{a0}"),
        (r"\:", "\u{a0}"),
        (r"\!", ""),
        (r"\ ", " "),
        (r"\$", "$"),
        (r"\%", "%"),
        (r"\times", "\u{d7}"),
        (r"\cdot", "\u{d7}"),
        (r"\left", ""),
        (r"\right", ""),
    ] {
        plain = plain.replace(mark, meaning);
    }
    plain
}

fn superscript(c: char) -> Option<char> {
    Some(match c {
        '\u{2070}' => '0',
        '\u{b9}' => '1',
        '\u{b2}' => '2',
        '\u{b3}' => '3',
        '\u{2074}'..='\u{2079}' => char::from_digit(c as u32 - 0x2070, 10)?,
        '\u{207b}' => '-',
        _ => return None,
    })
}

/// The digit of another script; each script's ten stand together.
fn decimal_digit(c: char) -> Option<char> {
    const ZEROS: [u32; 14] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50,
        0xed0,
    ];
    let zero = ZEROS
        .into_iter()
        .find(|zero| (*zero..*zero + 10).contains(&(c as u32)))?;
    char::from_digit(c as u32 - zero, 10)
}
