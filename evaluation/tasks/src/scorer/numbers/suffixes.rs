//! What may follow the digits of a number and belongs to it.

use super::digits::{THIN_SPACE, core_run, interpret};

/// Largest power that is worked out.
const LARGEST_EXPONENT: i32 = 400;

pub(super) fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// `e5`, `E-5`.
pub(super) fn exponent_length(text: &str) -> Option<usize> {
    let after = text.strip_prefix(['e', 'E'])?;
    let signed = after.strip_prefix(['-', '+']).unwrap_or(after);
    let length = signed.bytes().take_while(u8::is_ascii_digit).count();
    let ends = !signed[length..].starts_with(|c: char| c.is_alphanumeric());
    (length > 0 && ends).then(|| text.len() - signed.len() + length)
}

/// ` 3/4` and ` and 3/4` behind a whole number.
pub(super) fn mixed_fraction(text: &str) -> Option<(f64, usize)> {
    for (words, value) in [(" and a half", 0.5), (" and a quarter", 0.25)] {
        if text
            .strip_prefix(words)
            .is_some_and(|after| !after.starts_with(char::is_alphanumeric))
        {
            return Some((value, words.len()));
        }
    }
    let spaced = text.strip_prefix(' ')?;
    let after = spaced.strip_prefix("and ").unwrap_or(spaced);
    let skipped = text.len() - after.len();
    let length = after.bytes().take_while(u8::is_ascii_digit).count();
    let above: f64 = after[..length].parse().ok()?;
    let (below, below_length) = divisor(&after[length..])?;
    (above < below).then(|| (above / below, skipped + length + below_length))
}

/// `/4`, ` / 4`, and no third part.
pub(super) fn divisor(text: &str) -> Option<(f64, usize)> {
    let slash = text.trim_start_matches(' ').strip_prefix('/')?;
    let spaceless = slash.trim_start_matches(' ');
    let below = spaceless.strip_prefix('-').unwrap_or(spaceless);
    let sign = if below.len() < spaceless.len() {
        -1.0
    } else {
        1.0
    };
    let run = core_run(below);
    let core = interpret(run)?;
    let is_longer = below[run.len()..]
        .strip_prefix('/')
        .is_some_and(starts_with_digit);
    let value: f64 = core.digits.parse().ok()?;
    (!is_longer).then(|| (sign * value, text.len() - below.len() + run.len()))
}

/// `× 10^3`.
pub(super) fn power_of_ten(text: &str) -> Option<(i32, usize)> {
    let times = text
        .trim_start_matches([' ', THIN_SPACE])
        .strip_prefix(['\u{d7}', 'x', '*'])?;
    let ten = times
        .trim_start_matches([' ', THIN_SPACE])
        .strip_prefix("10")?;
    let (power, length) = power(ten)?;
    Some((power, text.len() - ten.len() + length))
}

/// `^3`, `^-3`.
pub(super) fn power(text: &str) -> Option<(i32, usize)> {
    let after = text.strip_prefix('^')?;
    let unsigned = after.strip_prefix(['-', '+']).unwrap_or(after);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let end = after.len() - unsigned.len() + length;
    let power: i32 = after[..end].parse().ok()?;
    (power.abs() <= LARGEST_EXPONENT && length > 0).then_some((power, 1 + end))
}

/// ` million`, `k`.
pub(super) fn magnitude(text: &str, is_money: bool) -> Option<(f64, usize)> {
    let word = text.trim_start_matches([' ', THIN_SPACE]);
    let space = text.len() - word.len();
    let length = word.bytes().take_while(u8::is_ascii_alphabetic).count();
    let glued = word[length..].starts_with(|c: char| c.is_alphanumeric());
    let factor = match &word[..length] {
        "k" | "K" if (space == 0 || is_money) && !glued => 1e3,
        "M" if (space == 0 || is_money) && !glued => 1e6,
        "B" if (space == 0 || is_money) && !glued => 1e9,
        "m" if is_money && !glued => 1e6,
        "mn" if !glued => 1e6,
        "bn" if !glued => 1e9,
        name => match name.to_ascii_lowercase().as_str() {
            "dozen" => 12.0,
            "hundred" => 1e2,
            "lakh" | "lakhs" => 1e5,
            "crore" | "crores" => 1e7,
            "thousand" => 1e3,
            "million" | "millions" => 1e6,
            "billion" | "billions" => 1e9,
            "trillion" | "trillions" => 1e12,
            _ => return None,
        },
    };
    Some((factor, space + length))
}

pub(super) fn percent_length(text: &str) -> Option<usize> {
    let after = text.trim_start_matches([' ', THIN_SPACE]);
    let length = ["%", "percent", "per cent", "pct"]
        .into_iter()
        .find(|sign| after.starts_with(sign))?
        .len();
    Some(text.len() - after.len() + length)
}
