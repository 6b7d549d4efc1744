//! The numbers of a prepared text, from left to right.

use super::digits::{Core, core_run, interpret, of_other_base, parts_of};
use super::number::Number;
use super::prepare::UNREADABLE;
use super::suffixes::{
    divisor, exponent_length, magnitude, mixed_fraction, percent_length, power, power_of_ten,
    starts_with_digit,
};

/// Above this neighbouring whole numbers share a value.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Something made of digits.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    pub(super) reading: Reading,
    /// Part of a name, such as `m2` and `covid-19`.
    pub(super) is_glued: bool,
}

/// The meaning of something made of digits.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    Number(Number),
    /// A date, a time, a version.
    NoNumber,
    /// A number of which only a part can be read, such as `12,345,67`.
    Unreadable,
}

impl From<Option<Number>> for Reading {
    fn from(number: Option<Number>) -> Self {
        number.map_or(Self::Unreadable, Self::Number)
    }
}

pub(super) fn mentions_in(text: &str) -> Vec<Mention> {
    let mut scan = Scan { text, at: 0 };
    let mut mentions = Vec::new();
    while let Some(start) = scan.next_start() {
        scan.read(start, &mut mentions);
    }
    mentions
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next digit, the point in front of it, or what cannot be read.
    fn next_start(&mut self) -> Option<usize> {
        let begins = |c: char| c.is_ascii_digit() || c == UNREADABLE;
        let digit = self.at + self.rest().find(begins)?;
        let before = &self.text[self.at..digit];
        let is_point = before.ends_with('.')
            && !before[..before.len() - 1].ends_with(|c: char| c.is_alphanumeric());
        let start = if is_point { digit - 1 } else { digit };
        self.at = start;
        Some(start)
    }

    fn read(&mut self, start: usize, mentions: &mut Vec<Mention>) {
        let mut push = |reading, is_glued| mentions.push(Mention { reading, is_glued });
        if self.rest().starts_with(UNREADABLE) {
            self.skip_expression();
            return push(Reading::Unreadable, false);
        }
        let (is_negative, before) = sign_before(&self.text[..start]);
        if let Some(base) = before.strip_suffix('^') {
            self.skip_digits();
            if closes_numbers(base) {
                push(Reading::Unreadable, false);
            }
            return;
        }
        let is_money = has_currency(&self.text[..start], before);
        let is_glued = !is_money && is_part_of_name(before) || self.is_source(start);
        if let Some((value, length)) = of_other_base(self.rest()) {
            self.at += length;
            let number = value.map(|value| derived(if is_negative { -value } else { value }));
            return push(number.into(), is_glued);
        }
        let run = core_run(self.rest());
        self.at += run.len();
        let Some(core) = interpret(run) else {
            let is_version = run
                .bytes()
                .all(|byte| byte == b'.' || byte.is_ascii_digit());
            match parts_of(run) {
                _ if is_version => push(Reading::NoNumber, is_glued),
                None => push(Reading::Unreadable, is_glued),
                Some(parts) => {
                    for part in parts {
                        push(value_of(&part.digits, false).into(), is_glued);
                    }
                }
            }
            return;
        };
        let core = self.with_spaced_groups(run, core);
        if self.skip_date_or_time(core.is_whole) {
            return push(Reading::NoNumber, is_glued);
        }
        let number = self.finish(core, is_negative, is_money);
        let number = if self.goes_on() {
            self.skip_expression();
            None
        } else {
            number
        };
        push(number.into(), is_glued);
    }

    /// Whether what follows belongs to the number and cannot be read with it: `2^{1/2}`, `3/(4)`.
    fn goes_on(&self) -> bool {
        let mut rest = self.rest().chars();
        let begins = |c: Option<char>| {
            c.is_some_and(|c| c.is_ascii_digit() || matches!(c, '(' | UNREADABLE))
        };
        match rest.next() {
            Some('^' | UNREADABLE) => true,
            Some('/') => {
                let next = rest.next();
                begins(next) || (next == Some('-') && begins(rest.next()))
            }
            Some('.' | ',') => rest.next().is_some_and(|c| c.is_ascii_digit()),
            _ => false,
        }
    }

    /// Skips what cannot be read, and what is worked out with it.
    fn skip_expression(&mut self) {
        let rest = self.rest();
        let mut end = 0;
        let mut is_joined = true;
        for (at, c) in rest.char_indices() {
            let is_mark = matches!(c, '^' | '/' | '*' | '+' | '\u{d7}' | '(' | '{');
            if is_mark || (is_joined && c == '-') {
                is_joined = true;
            } else if c.is_ascii_digit() || matches!(c, UNREADABLE | ')' | '}') {
                if !is_joined && rest[..at].ends_with(' ') {
                    break;
                }
                is_joined = false;
                end = at + c.len_utf8();
            } else if !(c == ' ' || (matches!(c, '.' | ',') && starts_with_digit(&rest[at + 1..])))
            {
                break;
            }
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        self.at += end.max(first).min(rest.len());
    }

    /// Whether the number is the mark of a source, such as `[1]` behind a statement.
    fn is_source(&self, start: usize) -> bool {
        const ANNOUNCING: [&str; 8] = [
            "is", "are", "be", "was", "answer", "result", "equals", "output",
        ];
        // Longest list of sources that is looked through, in bytes.
        const LONGEST_LIST: usize = 40;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let belongs = |c: char| c.is_ascii_digit() || matches!(c, ',' | ' ' | '-');
        let is_bracketed =
            (1..=3).contains(&digits) && self.rest().trim_start_matches(belongs).starts_with(']');
        if !is_bracketed {
            return false;
        }
        let inner = self.text[..start].bytes().rev().take(LONGEST_LIST);
        let inner = inner.take_while(|byte| belongs(char::from(*byte))).count();
        let Some(before) = self.text[..start - inner].strip_suffix('[') else {
            return false;
        };
        let before = before.trim_end();
        let word = before.rsplit(|c: char| !c.is_alphanumeric()).next();
        let word = word.unwrap_or_default().to_ascii_lowercase();
        !(before.is_empty()
            || before.ends_with([':', '=', '(', '[', '\n', '$'])
            || ANNOUNCING.contains(&word.as_str()))
    }

    fn skip_digits(&mut self) {
        let length = self.rest().find(|c: char| !c.is_ascii_digit() && c != '.');
        self.at += length.unwrap_or(self.rest().len()).max(1);
    }

    /// `1 000 000`: groups of three behind ordinary spaces.
    fn with_spaced_groups(&mut self, run: &str, core: Core) -> Core {
        if !core.is_whole || run.len() > 3 || run.starts_with('0') {
            return core;
        }
        let mut digits = core.digits;
        let mut is_whole = true;
        while is_whole {
            let Some(group) = self.rest().strip_prefix(' ').map(core_run) else {
                break;
            };
            let whole_digits = group.bytes().take_while(u8::is_ascii_digit).count();
            let after = self.rest()[1 + group.len()..].chars().next();
            let ends = !matches!(after, Some('/' | ':')) && whole_digits == 3;
            let Some(inner) = interpret(group).filter(|_| ends && group.len() != 4) else {
                break;
            };
            is_whole = inner.is_whole;
            digits.push_str(&inner.digits);
            self.at += 1 + group.len();
        }
        Core { digits, is_whole }
    }

    fn skip_date_or_time(&mut self, is_whole: bool) -> bool {
        let rest = self.rest();
        let after_colon = rest
            .strip_prefix(':')
            .filter(|after| starts_with_digit(after));
        let date = ['-', '/'].into_iter().find_map(|mark| {
            let after = rest.strip_prefix(mark)?;
            let length = after.bytes().take_while(u8::is_ascii_digit).count();
            let second = after[length..].strip_prefix(mark)?;
            (length > 0 && starts_with_digit(second)).then_some(())
        });
        if !is_whole || (after_colon.is_none() && date.is_none()) {
            return false;
        }
        let end = rest.find(|c: char| {
            !c.is_ascii_digit() && !matches!(c, '-' | '/' | ':' | '.' | 'T' | 'Z' | '+')
        });
        self.at += end.unwrap_or(rest.len());
        true
    }

    fn finish(&mut self, core: Core, is_negative: bool, is_money: bool) -> Option<Number> {
        let mut digits = core.digits;
        if let Some(length) = exponent_length(self.rest()) {
            digits.push_str(&self.rest()[..length]);
            self.at += length;
        }
        let mut number = value_of(&digits, false)?;
        if let Some((fraction, length)) = mixed_fraction(self.rest()).filter(|_| core.is_whole) {
            number.value += fraction;
            self.at += length;
        } else if let Some((divisor, length)) = divisor(self.rest()) {
            if divisor == 0.0 {
                return None;
            }
            self.at += length;
            number = derived(number.value / divisor);
        } else if let Some((power, length)) = power_of_ten(self.rest()) {
            self.at += length;
            number = derived(number.value * 10_f64.powi(power));
        } else if let Some((power, length)) = power(self.rest()) {
            self.at += length;
            number = derived(number.value.powi(power));
        }
        if let Some((factor, length)) = magnitude(self.rest(), is_money) {
            self.at += length;
            number = derived(number.value * factor);
        }
        if let Some(length) = percent_length(self.rest()) {
            self.at += length;
            number.is_percent = true;
        }
        if is_negative {
            number.value = -number.value;
            number.digits = number.digits.map(|digits| format!("-{digits}"));
        }
        number.value.is_finite().then_some(number)
    }
}

/// Whether a bracket with a number inside ends here: the `(3+4)` of `(3+4)^2`.
fn closes_numbers(text: &str) -> bool {
    let Some(inner) = text.trim_end().strip_suffix([')', ']', '}']) else {
        return false;
    };
    let start = inner.rfind(['(', '[', '{']).unwrap_or(inner.len());
    inner[start..].contains(|c: char| c.is_ascii_digit())
}

/// Whether a minus stands in front, and what stands in front of sign and currency.
fn sign_before(text: &str) -> (bool, &str) {
    let money = text.trim_end_matches(is_currency);
    let inner = if money.len() < text.len() {
        money
    } else {
        text
    };
    for (mark, is_negative) in [('-', true), ('+', false)] {
        if let Some(before) = inner.strip_suffix(mark) {
            let before = before.trim_end_matches(is_currency);
            // The dash of `3-4` or `covid-19` is no sign.
            let is_sign =
                !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, ')' | '%'));
            return (is_sign && is_negative, before);
        }
    }
    // `x = - 5`; a dash at the beginning of a line is that of a list.
    if let Some(before) = inner.strip_suffix("- ")
        && before.trim_end().ends_with(['=', ':', '('])
    {
        return (true, before);
    }
    (follows_minus(inner), inner)
}

/// Whether the words in front say `minus` and nothing is taken away from.
fn follows_minus(text: &str) -> bool {
    let text = text.trim_end_matches(' ');
    ["minus", "negative"].into_iter().any(|word| {
        let Some(start) = text.len().checked_sub(word.len()) else {
            return false;
        };
        let is_word = text
            .get(start..)
            .is_some_and(|end| end.eq_ignore_ascii_case(word));
        let before = text.get(..start).unwrap_or_default();
        let operand = before.trim_end();
        let last = operand.rsplit(' ').next().unwrap_or_default();
        is_word
            && !before.ends_with(char::is_alphanumeric)
            && !operand.ends_with(|c: char| c.is_ascii_digit() || c == ')')
            && last.chars().count() != 1
    })
}

/// Whether a currency stands before a number: its sign, or its code.
fn has_currency(text: &str, before_sign: &str) -> bool {
    const CODES: [&str; 12] = [
        "USD", "EUR", "GBP", "JPY", "CNY", "INR", "CHF", "CAD", "AUD", "BRL", "KRW", "Rs",
    ];
    let has_sign = text
        .trim_end_matches(['-', '+'])
        .trim_end_matches(' ')
        .ends_with(is_currency);
    let words = before_sign.trim_end_matches(' ');
    has_sign
        || CODES.iter().any(|code| {
            let rest = words.strip_suffix(code);
            rest.is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
        })
}

/// Whether a number belongs to a name, such as `m2` and `x_1`. Scripts without spaces between words
/// glue nothing, and neither do marks of emphasis.
fn is_part_of_name(before: &str) -> bool {
    let name = before.trim_end_matches('_');
    name.ends_with(|c: char| c.is_alphabetic() && !has_no_spaces(c))
        || (name.len() < before.len() && name.ends_with(|c: char| c.is_ascii_digit()))
}

fn has_no_spaces(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2ffff}')
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}')
}

fn value_of(digits: &str, is_percent: bool) -> Option<Number> {
    let value: f64 = digits.parse().ok()?;
    let is_exact = value.abs() < LARGEST_EXACT || digits.contains(['e', 'E']);
    let plain = digits
        .strip_suffix(".0")
        .unwrap_or(digits)
        .trim_start_matches('0');
    Some(Number {
        value,
        is_percent,
        digits: (!is_exact && value.is_finite()).then(|| plain.to_owned()),
    })
}

fn derived(value: f64) -> Number {
    Number {
        value,
        is_percent: false,
        digits: None,
    }
}
