//! The numbers of a prepared text, from left to right.

use super::number::Number;
use super::prepare::THIN_SPACE;

/// Largest power that is worked out.
const LARGEST_EXPONENT: i32 = 400;

/// Above this neighbouring whole numbers share a value.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// Something made of digits.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    /// `None` for a date, a time, a version.
    pub(super) number: Option<Number>,
    /// Part of a name, such as `m2` and `covid-19`.
    pub(super) is_glued: bool,
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

/// Digits with what stands between them, read as one value.
struct Core {
    digits: String,
    is_whole: bool,
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next digit, or the point in front of it.
    fn next_start(&mut self) -> Option<usize> {
        let digit = self.at + self.rest().find(|c: char| c.is_ascii_digit())?;
        let before = &self.text[self.at..digit];
        let is_point = before.ends_with('.')
            && !before[..before.len() - 1].ends_with(|c: char| c.is_alphanumeric());
        let start = if is_point { digit - 1 } else { digit };
        self.at = start;
        Some(start)
    }

    fn read(&mut self, start: usize, mentions: &mut Vec<Mention>) {
        let (is_negative, before) = sign_before(&self.text[..start]);
        if before.ends_with('^') {
            self.skip_digits();
            return;
        }
        let is_money = has_currency(&self.text[..start], before);
        let is_glued = !is_money && is_part_of_name(before) || self.is_source(start);
        if let Some((value, length)) = hexadecimal(self.rest()) {
            self.at += length;
            let number = Some(derived(if is_negative { -value } else { value }));
            mentions.push(Mention { number, is_glued });
            return;
        }
        let run = core_run(self.rest());
        self.at += run.len();
        let Some(core) = interpret(run) else {
            Self::split_run(run, is_glued, mentions);
            return;
        };
        let core = self.with_spaced_groups(run, core);
        if self.skip_date_or_time(core.is_whole) {
            mentions.push(Mention {
                number: None,
                is_glued,
            });
            return;
        }
        let number = self.finish(core, is_negative, is_money);
        mentions.push(Mention { number, is_glued });
    }

    /// Whether the number is the mark of a source, such as `[1]` behind a statement.
    fn is_source(&self, start: usize) -> bool {
        const ANNOUNCING: [&str; 8] = [
            "is", "are", "be", "was", "answer", "result", "equals", "output",
        ];
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let is_bracketed = (1..=3).contains(&digits) && self.rest()[digits..].starts_with(']');
        let Some(before) = self.text[..start]
            .strip_suffix('[')
            .filter(|_| is_bracketed)
        else {
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

    /// `1,2,3` are three numbers; `1.2.3` is a version.
    fn split_run(run: &str, is_glued: bool, mentions: &mut Vec<Mention>) {
        for part in run.split([',', '\'', '_', THIN_SPACE]) {
            let number = interpret(part).and_then(|core| value_of(&core.digits, false));
            mentions.push(Mention { number, is_glued });
        }
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

/// `0x1F`.
fn hexadecimal(text: &str) -> Option<(f64, usize)> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))?;
    let length = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    let ends = !digits[length..].starts_with(char::is_alphanumeric);
    let value = u64::from_str_radix(&digits[..length], 16).ok()?;
    ends.then_some((value as f64, 2 + length))
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}')
}

/// Digits with single separators between digits.
fn core_run(text: &str) -> &str {
    let mut end = 0;
    let mut pending = None;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
            pending = None;
        } else if pending.is_none() && matches!(c, ',' | '.' | '\'' | '_' | THIN_SPACE) {
            pending = Some(c);
        } else {
            break;
        }
    }
    &text[..end]
}

/// The digits of a run with a point for its decimals; `None` where it is not one number.
fn interpret(run: &str) -> Option<Core> {
    let marks: Vec<char> = run.chars().filter(|c| !c.is_ascii_digit()).collect();
    let whole = |digits: String| Core {
        digits,
        is_whole: true,
    };
    let decimal = |digits: String| Core {
        digits,
        is_whole: false,
    };
    let Some((last, others)) = marks.split_last() else {
        return (!run.is_empty()).then(|| whole(run.to_owned()));
    };
    if others.is_empty() && *last == '.' {
        return Some(decimal(run.to_owned()));
    }
    // A single group behind a point is decimals.
    if (*last != '.' || !others.is_empty())
        && is_grouped(run, *last)
        && marks.iter().all(|mark| mark == last)
    {
        return Some(whole(run.replace(*last, "")));
    }
    let (front, decimals) = run.rsplit_once(*last)?;
    if !matches!(last, '.' | ',') {
        return None;
    }
    let joins = match others.first() {
        None => *last == ',',
        Some(mark) => {
            mark != last && others.iter().all(|one| one == mark) && is_grouped(front, *mark)
        }
    };
    let front = others
        .first()
        .map_or_else(|| front.to_owned(), |mark| front.replace(*mark, ""));
    joins.then(|| decimal(format!("{front}.{decimals}")))
}

/// Groups of three behind a first one of at most three; with commas also those of India. What stands
/// behind `0,` is decimals.
fn is_grouped(run: &str, mark: char) -> bool {
    let groups: Vec<&str> = run.split(mark).collect();
    let Some((first, rest)) = groups.split_first() else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return false;
    };
    if first.is_empty() || first.len() > 3 || first.starts_with('0') || last.len() != 3 {
        return false;
    }
    let thousands = middle.iter().all(|group| group.len() == 3);
    let indian = mark == ',' && first.len() <= 2 && middle.iter().all(|group| group.len() == 2);
    thousands || indian
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

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// `e5`, `E-5`.
fn exponent_length(text: &str) -> Option<usize> {
    let after = text.strip_prefix(['e', 'E'])?;
    let signed = after.strip_prefix(['-', '+']).unwrap_or(after);
    let length = signed.bytes().take_while(u8::is_ascii_digit).count();
    let ends = !signed[length..].starts_with(|c: char| c.is_alphanumeric());
    (length > 0 && ends).then(|| text.len() - signed.len() + length)
}

/// ` 3/4` behind a whole number.
fn mixed_fraction(text: &str) -> Option<(f64, usize)> {
    let after = text.strip_prefix(' ')?;
    let length = after.bytes().take_while(u8::is_ascii_digit).count();
    let above: f64 = after[..length].parse().ok()?;
    let (below, below_length) = divisor(&after[length..])?;
    (above < below).then(|| (above / below, 1 + length + below_length))
}

/// `/4`, ` / 4`, and no third part.
fn divisor(text: &str) -> Option<(f64, usize)> {
    let slash = text.trim_start_matches(' ').strip_prefix('/')?;
    let below = slash.trim_start_matches(' ');
    let run = core_run(below);
    let core = interpret(run)?;
    let is_longer = below[run.len()..]
        .strip_prefix('/')
        .is_some_and(starts_with_digit);
    let value: f64 = core.digits.parse().ok()?;
    (!is_longer).then(|| (value, text.len() - below.len() + run.len()))
}

/// `× 10^3`.
fn power_of_ten(text: &str) -> Option<(i32, usize)> {
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
fn power(text: &str) -> Option<(i32, usize)> {
    let after = text.strip_prefix('^')?;
    let unsigned = after.strip_prefix(['-', '+']).unwrap_or(after);
    let length = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let end = after.len() - unsigned.len() + length;
    let power: i32 = after[..end].parse().ok()?;
    (power.abs() <= LARGEST_EXPONENT && length > 0).then_some((power, 1 + end))
}

/// ` million`, `k`.
fn magnitude(text: &str, is_money: bool) -> Option<(f64, usize)> {
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

fn percent_length(text: &str) -> Option<usize> {
    let after = text.trim_start_matches([' ', THIN_SPACE]);
    let length = ["%", "percent", "per cent", "pct"]
        .into_iter()
        .find(|sign| after.starts_with(sign))?
        .len();
    Some(text.len() - after.len() + length)
}
