//! A text in which numbers are written one way: plain digits, `-`, `/` and `^`.

use regex::{Captures, Regex};
use unicode_normalization::UnicodeNormalization;

use super::constants::{Constants, PI, ROOT};
use super::digits::{THIN_SPACE, interpret};
use crate::scorer::plain_text::is_invisible;

/// Stands for numbers of which only a part could be read.
pub(super) const UNREADABLE: char = '\u{fffc}';

/// Roots of a third and a fourth power.
const HIGHER_ROOTS: [char; 2] = ['\u{221b}', '\u{221c}'];

/// Rewrites the number notations of Unicode and LaTeX.
#[derive(Debug)]
pub(super) struct Preparation {
    fraction: Regex,
    root: Regex,
    period: Regex,
    exponent: Regex,
    power: Regex,
    power_of_group: Regex,
    higher_root: Regex,
    sign_root: Regex,
    root_of_group: Regex,
    function: Regex,
    uncertainty: Regex,
    tuple: Regex,
    constants: Constants,
}

impl Preparation {
    pub(super) fn new() -> Self {
        let compiled = |pattern: &str| Regex::new(pattern).expect("the pattern is a constant");
        Self {
            fraction: compiled(
                r"(\d|-\s*)?\\[dtc]?frac\s*(?:\{\s*([-+]?)\s*([\d√π][\d.,√π]*)\s*\}|(\d))\s*(?:\{\s*([-+]?)\s*([\d√π][\d.,√π]*)\s*\}|(\d))",
            ),
            root: compiled(r"\\sqrt\s*(?:\{\s*(\d[\d.]*)\s*\}|(\d))|\\?\bsqrt\s*(\()"),
            period: compiled(r"(\d*)\.(\d*)\\overline\s*\{\s*(\d+)\s*\}"),
            exponent: compiled(r"\^\s*\{\s*([-+]?\d+)\s*\}"),
            power: compiled(r"([\d)])(?:\*\*|\s*\^\s*)([-+]?\d)"),
            power_of_group: compiled(
                r"\(\s*([-+]?)\s*(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?\s*\)\^([-+]?\d{1,3})\b",
            ),
            higher_root: compiled(
                r"(\d[\d.]*)?\s*\\sqrt\s*\[\s*(\d{1,2})\s*\]\s*(?:\{\s*(\d[\d.]*)\s*\}|(\d))",
            ),
            sign_root: compiled(r"(\d[\d.]*)?\s*([∛∜])\s*(?:\(\s*(\d[\d.]*)\s*\)|(\d[\d.]*))"),
            root_of_group: compiled(
                r"(?:\d[\d.]*\s*)?[√∛∜]\s*(?:\([^()]*[^()\d.\s√π][^()]*\)|-\s*\d[\d.]*)",
            ),
            function: compiled(
                r"\\(?:(?:[dtc]?frac|sqrt|d?binom|overline)\s*(?:\[[^\[\]]*\])?\s*(?:\{(?:[^{}]|\{[^{}]*\})*\}\s*){1,2}|(?:log|ln|lg|exp|sin|cos|tan)(?:_\{[^{}]*\}|_\w)?\s*(?:\{[^{}]*\}|\([^()]*\)|\d[\d.]*))|\b(?:log|ln|log2|log10|exp|sin|cos|tan|cbrt|abs|floor|ceil|max|min|gcd|lcm|mod)\s*\([^()]*\)",
            ),
            uncertainty: compiled(r"(\d%?)?\s*(?:±|\\pm|\+/-)\s*\d[\d.,]*%?"),
            tuple: compiled(r"[(\[{]\s*[-+]?[\d./√π]+(?:\s*[,;]\s*[-+]?[\d./√π]+)+\s*\\?[)\]}]"),
            constants: Constants::new(),
        }
    }

    pub(super) fn apply(&self, text: &str) -> String {
        let plain = without_latex_marks(&in_plain_characters(text));
        let marks = ['\\', '^', '*', '(', '[', '{', '±', '+', ROOT, PI];
        if !plain.contains(marks) && !plain.contains(HIGHER_ROOTS) {
            return plain;
        }
        let plain = self
            .higher_root
            .replace_all(&plain, |found: &Captures<'_>| {
                let degree = found[2].parse().unwrap_or(0);
                higher_root(found, degree, [3, 4])
            });
        let plain = self.sign_root.replace_all(&plain, |found: &Captures<'_>| {
            let degree = if found[2].starts_with(HIGHER_ROOTS[0]) {
                3
            } else {
                4
            };
            higher_root(found, degree, [3, 4])
        });
        let plain = self.root.replace_all(&plain, "\u{221a}$1$2$3");
        let plain = self.period.replace_all(&plain, repeated);
        let plain = self.fraction.replace_all(&plain, in_one_line);
        let plain = self.exponent.replace_all(&plain, "^$1");
        let plain = self.power.replace_all(&plain, "$1^$2");
        let plain = self.power_of_group.replace_all(&plain, power_of_group);
        let plain = self
            .uncertainty
            .replace_all(&plain, |found: &Captures<'_>| {
                let exact = found.get(1).map(|exact| exact.as_str().to_owned());
                exact.unwrap_or_else(|| UNREADABLE.to_string())
            });
        let plain = self.function.replace_all(&plain, |found: &Captures<'_>| {
            in_place_of(&found[0], found[0].contains(|c: char| c.is_ascii_digit()))
        });
        let plain = self
            .root_of_group
            .replace_all(&plain, |found: &Captures<'_>| {
                in_place_of(&found[0], found[0].contains(|c: char| c.is_ascii_digit()))
            });
        let plain = self.tuple.replace_all(&plain, |found: &Captures<'_>| {
            let is_all = found[0].len() == plain.trim().len();
            in_place_of(&found[0], is_tuple(&found[0], is_all))
        });
        self.constants.worked_out(&plain)
    }
}

/// The mark for what cannot be read, or the text itself.
fn in_place_of(text: &str, is_unreadable: bool) -> String {
    if is_unreadable {
        UNREADABLE.to_string()
    } else {
        text.to_owned()
    }
}

/// Whether a bracket holds several numbers, as those of a point or a set. Square brackets in a text may
/// be the marks of sources.
fn is_tuple(text: &str, is_all: bool) -> bool {
    let inner = &text[1..text.len() - 1];
    let is_one = interpret(inner.trim()).is_some_and(|core| core.is_whole || !is_all);
    !is_one && (is_all || !text.starts_with('['))
}

/// The root of the number in the first of these groups that is there, times that of the first group.
fn higher_root(found: &Captures<'_>, degree: i32, groups: [usize; 2]) -> String {
    let number = |group: usize| found.get(group)?.as_str().parse::<f64>().ok();
    let factor = if found.get(1).is_some() {
        number(1)
    } else {
        Some(1.0)
    };
    let inner = groups.into_iter().find_map(number);
    let Some((factor, inner)) = factor.zip(inner).filter(|_| degree > 1) else {
        return UNREADABLE.to_string();
    };
    let root = inner.powf(1.0 / f64::from(degree));
    let whole = root.round();
    let root = if whole.powi(degree) == inner {
        whole
    } else {
        root
    };
    format!("{}", factor * root)
}

/// `(-2)^2`, `(1/2)^3`.
fn power_of_group(found: &Captures<'_>) -> String {
    let number = |group: usize| found.get(group).map(|part| part.as_str().parse::<f64>());
    let (Some(Ok(above)), below) = (number(2), number(3).unwrap_or(Ok(1.0))) else {
        return UNREADABLE.to_string();
    };
    let sign = if &found[1] == "-" { -1.0 } else { 1.0 };
    let power: Option<i32> = found[4].parse().ok();
    let value = below
        .ok()
        .zip(power)
        .map(|(below, power)| (sign * above / below).powi(power));
    match value.filter(|value| value.is_finite() && value.abs() < 1e15) {
        Some(value) => format!("{value}"),
        None => UNREADABLE.to_string(),
    }
}

/// A whole number in front makes it a mixed number; a minus in front or inside is one of the whole.
fn in_one_line(found: &Captures<'_>) -> String {
    let part = |group: usize| found.get(group).map_or("", |text| text.as_str());
    let (front, is_minus) = match part(1).trim_end() {
        "-" => ("", true),
        "" => ("", false),
        whole => (whole, false),
    };
    let space = if front.is_empty() { "" } else { " " };
    let minuses = [is_minus, part(2) == "-", part(5) == "-"];
    let minuses = minuses.into_iter().filter(|is_minus| *is_minus).count();
    let sign = if minuses % 2 == 1 { "-" } else { "" };
    let above = [part(3), part(4)].concat();
    let below = [part(6), part(7)].concat();
    [front, space, sign, &above, "/", &below].concat()
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
            _ if is_invisible(c) || c == UNREADABLE => continue,
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
