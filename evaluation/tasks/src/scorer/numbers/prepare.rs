//! A text in which numbers are written one way: plain digits, `-`, `/` and `^`.

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

use super::constants::{Constants, PI, ROOT};
use crate::scorer::plain_text::is_invisible;

/// The space that sets thousands apart and never words.
pub(super) const THIN_SPACE: char = '\u{a0}';

/// Rewrites the number notations of Unicode and LaTeX.
#[derive(Debug)]
pub(super) struct Preparation {
    fraction: Regex,
    root: Regex,
    period: Regex,
    exponent: Regex,
    power: Regex,
    constants: Constants,
}

impl Preparation {
    pub(super) fn new() -> Self {
        let compiled = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        Self {
            fraction: compiled(
                r"(\d)?\\[dtc]?frac\s*(?:\{\s*([-+]?)\s*([\d\u{221a}\u{3c0}][\d.,\u{221a}\u{3c0}]*)\s*\}|(\d))\s*(?:\{\s*([\d\u{221a}\u{3c0}][\d.,\u{221a}\u{3c0}]*)\s*\}|(\d))",
            ),
            root: compiled(r"\\sqrt\s*(?:\{\s*(\d[\d.]*)\s*\}|(\d))"),
            period: compiled(r"(\d*)\.(\d*)\\overline\s*\{\s*(\d+)\s*\}"),
            exponent: compiled(r"\^\s*\{\s*([-+]?\d+)\s*\}"),
            power: compiled(r"(\d)(?:\*\*|\s*\^\s*)([-+]?\d)"),
            constants: Constants::new(),
        }
    }

    pub(super) fn apply(&self, text: &str) -> String {
        let plain = without_latex_marks(&in_plain_characters(text));
        if !plain.contains(['\\', '^', '*', ROOT, PI]) {
            return plain;
        }
        let plain = self.root.replace_all(&plain, "\u{221a}$1$2");
        let plain = self.period.replace_all(&plain, repeated);
        let plain = self.fraction.replace_all(&plain, in_one_line);
        let plain = self.exponent.replace_all(&plain, "^$1");
        let plain = self.power.replace_all(&plain, "$1^$2");
        self.constants.worked_out(&plain)
    }
}

/// A whole number in front makes it a mixed number.
fn in_one_line(found: &Captures<'_>) -> String {
    let part = |group: usize| found.get(group).map_or("", |text| text.as_str());
    let space = if part(1).is_empty() { "" } else { " " };
    let above = [part(3), part(4)].concat();
    let below = [part(5), part(6)].concat();
    [part(1), space, part(2), &above, "/", &below].concat()
}

/// `0.\overline{3}` with as many digits as a value holds.
fn repeated(found: &Captures<'_>) -> String {
    const DIGITS: usize = 20;
    let period = found[3].chars().cycle().take(DIGITS);
    let whole = if found[1].is_empty() { "0" } else { &found[1] };
    format!("{whole}.{}{}", &found[2], period.collect::<String>())
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
            '\u{66a}' => plain.push('%'),
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
        (r"^{\circ}", "\u{b0}"),
        (r"^\circ", "\u{b0}"),
        (r"\pi", "\u{3c0}"),
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
    const ZEROS: [u32; 22] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
        0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0,
    ];
    let zero = ZEROS
        .into_iter()
        .find(|zero| (*zero..*zero + 10).contains(&(c as u32)))?;
    char::from_digit(c as u32 - zero, 10)
}
