//! Numbers in English words.

const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const SCALES: [(&str, f64); 7] = [
    ("dozen", 12.0),
    ("lakh", 1e5),
    ("crore", 1e7),
    ("thousand", 1e3),
    ("million", 1e6),
    ("billion", 1e9),
    ("trillion", 1e12),
];
/// Words that may stand behind a number at the beginning, such as `three red apples`.
const WORDS_AFTER: usize = 2;

/// Words behind a number that make another one of it.
const CHANGING: [&str; 9] = [
    "squared",
    "cubed",
    "factorial",
    "plus",
    "minus",
    "times",
    "over",
    "divided",
    "multiplied",
];
/// What a whole is parted into, in words.
const PARTS: [(&str, &str, f64); 13] = [
    ("half", "halves", 2.0),
    ("third", "thirds", 3.0),
    ("quarter", "quarters", 4.0),
    ("fourth", "fourths", 4.0),
    ("fifth", "fifths", 5.0),
    ("sixth", "sixths", 6.0),
    ("seventh", "sevenths", 7.0),
    ("eighth", "eighths", 8.0),
    ("ninth", "ninths", 9.0),
    ("tenth", "tenths", 10.0),
    ("twelfth", "twelfths", 12.0),
    ("hundredth", "hundredths", 100.0),
    ("thousandth", "thousandths", 1000.0),
];

/// The number that a text without digits ends with, or that a short text begins with, and whether it is
/// in per cent.
pub(super) fn number_in_words(text: &str) -> Option<(f64, bool)> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let percent = match words.as_slice() {
        [.., "percent" | "pct"] => 1,
        [.., "per", "cent"] => 2,
        _ => 0,
    };
    let words_of_number = &words[..words.len() - percent];
    let trailing = words_of_number.iter().rev();
    let trailing = trailing.take_while(|word| belongs(word)).count();
    let start = words_of_number.len() - trailing;
    if trailing > 0 && !is_pronoun(&words, start) {
        let found = value(words.get(..start)?, &words_of_number[start..])?;
        return Some((found, percent > 0));
    }
    let sign = usize::from(words.first().is_some_and(|word| is_minus(word)));
    let leading = words[sign..]
        .iter()
        .take_while(|word| belongs(word))
        .count();
    let after = words.get(sign + leading..).unwrap_or_default();
    let is_changed = after.first().is_some_and(|word| CHANGING.contains(word));
    let percent = match after {
        ["percent" | "pct", ..] => 1,
        ["per", "cent", ..] => 2,
        _ => 0,
    };
    let is_short = after.len() <= percent + WORDS_AFTER && !is_changed;
    (leading > 0 && is_short && !is_pronoun(&words, sign))
        .then(|| value(&words[..sign], &words[sign..sign + leading]))
        .flatten()
        .map(|found| (found, percent > 0))
}

/// Whether a word may stand inside of a number.
fn belongs(word: &str) -> bool {
    part(word).is_some()
        || share(word).is_some()
        || matches!(word, "and" | "point" | "a" | "an" | "over")
}

/// The number of parts of a whole, and whether the word says that there are several.
fn share(word: &str) -> Option<(f64, bool)> {
    let (_, several, below) = PARTS
        .iter()
        .find(|(one, several, _)| *one == word || *several == word)?;
    Some((*below, *several == word))
}

/// `this one`, `which one`, `one of them`: no number is meant.
fn is_pronoun(words: &[&str], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| words.get(before));
    let after = words.get(at + 1);
    words.get(at) == Some(&"one")
        && (before.is_some_and(|word| {
            [
                "no", "any", "every", "some", "which", "this", "that", "each", "only",
            ]
            .contains(word)
        }) || after.is_some_and(|word| *word == "of"))
}

#[derive(Clone, Copy)]
enum Part {
    Unit(f64),
    Ten(f64),
    Hundred,
    Scale(f64),
}

fn part(word: &str) -> Option<Part> {
    let place = |names: &[&str]| names.iter().position(|name| *name == word);
    if let Some(unit) = place(&UNITS) {
        return Some(Part::Unit(unit as f64));
    }
    if let Some(ten) = place(&TENS).filter(|_| !word.is_empty()) {
        return Some(Part::Ten(10.0 * ten as f64));
    }
    let one = word.strip_suffix('s').unwrap_or(word);
    let scale = SCALES.iter().find(|(name, _)| *name == one);
    match word {
        "hundred" => Some(Part::Hundred),
        _ => scale.map(|(_, factor)| Part::Scale(*factor)),
    }
}

fn is_minus(word: &str) -> bool {
    matches!(word, "minus" | "negative")
}

/// The value of number words, negative behind `minus`; `None` where they are not one number.
fn value(before: &[&str], words: &[&str]) -> Option<f64> {
    let is_filler = |word: &&&str| matches!(**word, "and" | "a" | "an" | "over");
    let skipped = words.iter().take_while(is_filler).count();
    let words = &words[skipped..];
    let has_article = skipped > 0;
    let value = magnitude(words, has_article)?;
    // In `five minus two` something is taken away.
    let is_negative = match before {
        [.., number, last] => is_minus(last) && !belongs(number),
        [last] => is_minus(last),
        [] => false,
    };
    Some(if is_negative { -value } else { value })
}

/// The value of number words without a sign.
fn magnitude(words: &[&str], has_article: bool) -> Option<f64> {
    let place = |name: &str| words.iter().position(|word| *word == name);
    if let Some(point) = place("point") {
        return decimal(&words[..point], &words[point + 1..]);
    }
    if let Some(over) = place("over") {
        let (above, below) = (whole(&words[..over])?, whole(&words[over + 1..])?);
        return (below > 0.0).then(|| above / below);
    }
    let (last, front) = words.split_last()?;
    if let ["half", "a", rest @ ..] = words {
        return Some(0.5 * whole(rest)?);
    }
    let Some((below, is_several)) = share(last) else {
        return whole(words);
    };
    let (front_whole, above) = match front.iter().rposition(|word| *word == "and") {
        Some(and) => (Some(whole(&front[..and])?), &front[and + 1..]),
        None => (None, front),
    };
    let above = match above {
        [] if *last == "half" || has_article => 1.0,
        ["a" | "an"] => 1.0,
        words => whole(words)?,
    };
    // `twenty third` is a place.
    let is_share = is_several || above == 1.0;
    is_share.then(|| front_whole.unwrap_or(0.0) + above / below)
}

/// `one point two five`, `one point five million`.
fn decimal(front: &[&str], decimals: &[&str]) -> Option<f64> {
    let (decimals, factor) = match decimals.split_last() {
        Some((last, others)) => match part(last)? {
            Part::Scale(factor) => (others, factor),
            _ => (decimals, 1.0),
        },
        None => return None,
    };
    let digits = decimals.iter().map(|word| match part(word) {
        Some(Part::Unit(unit)) if unit < 10.0 => Some(unit.to_string()),
        _ => None,
    });
    let digits: Option<String> = digits.collect();
    let digits = match digits {
        Some(digits) if !digits.is_empty() => digits,
        _ => whole(decimals).filter(|value| *value < 100.0)?.to_string(),
    };
    let front = if front.is_empty() { 0.0 } else { whole(front)? };
    let number: f64 = format!("{front}.{digits}").parse().ok()?;
    Some(number * factor)
}

/// A whole number.
fn whole(words: &[&str]) -> Option<f64> {
    let (mut total, mut group, mut smallest) = (0.0, None::<f64>, f64::INFINITY);
    // What the last word leaves room for: below 10 behind tens, below 100 behind hundreds.
    let mut room = f64::INFINITY;
    for word in words {
        if *word == "and" {
            continue;
        }
        match part(word)? {
            Part::Unit(unit) if unit < room && (unit > 0.0 || words.len() == 1) => {
                group = Some(group.unwrap_or(0.0) + unit);
                room = 0.0;
            }
            Part::Ten(ten) if ten < room => {
                group = Some(group.unwrap_or(0.0) + ten);
                room = 10.0;
            }
            Part::Hundred if group.is_none_or(|group| group > 0.0 && group < 20.0) => {
                group = Some(group.unwrap_or(1.0) * 100.0);
                room = 100.0;
            }
            // `millions` alone is no number.
            Part::Scale(factor)
                if factor < smallest && (group.is_some() || !word.ends_with('s')) =>
            {
                total += group.unwrap_or(1.0) * factor;
                (group, smallest, room) = (None, factor, f64::INFINITY);
            }
            _ => return None,
        }
    }
    if group.is_none() && smallest.is_infinite() {
        return None;
    }
    Some(total + group.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_number_are_read_where_they_are_the_answer() {
        for (text, value) in [
            ("three", Some(3.0)),
            ("The answer is twenty-five.", Some(25.0)),
            ("two hundred and five", Some(205.0)),
            ("It is minus seven", Some(-7.0)),
            ("one million", Some(1e6)),
            ("two thousand twelve", Some(2012.0)),
            ("three hundred forty-two thousand and one", Some(342_001.0)),
            ("zero", Some(0.0)),
            ("three red apples", Some(3.0)),
            ("a hundred", Some(100.0)),
            ("I like this one", None),
            ("I cannot say which one", None),
            ("one of them", None),
            ("twenty thirty", None),
            ("five six", None),
            ("four of the many people who went there", None),
            ("and", None),
            ("", None),
            ("two thirds", Some(2.0 / 3.0)),
            ("two-thirds of them", Some(2.0 / 3.0)),
            ("three quarters", Some(0.75)),
            ("one half", Some(0.5)),
            ("a half", Some(0.5)),
            ("half", Some(0.5)),
            ("one and a half", Some(1.5)),
            ("two and three quarters", Some(2.75)),
            ("minus one third", Some(-1.0 / 3.0)),
            ("twenty-five hundredths", Some(0.25)),
            ("three over four", Some(0.75)),
            ("half a million", Some(5e5)),
            ("one point five", Some(1.5)),
            ("zero point two five", Some(0.25)),
            ("one point twenty-five", Some(1.25)),
            ("one point five million", Some(1.5e6)),
            ("two dozen eggs", Some(24.0)),
            ("two millions", Some(2e6)),
            ("five minus two", Some(2.0)),
            ("the twenty-third", None),
            ("the third", None),
            ("the first quarter", None),
            ("that is the point", None),
            ("two squared", None),
            ("millions of people", None),
            ("one hundred and", Some(100.0)),
        ] {
            let found = number_in_words(text).map(|(found, _)| found);
            assert_eq!(found, value, "{text}");
        }
        assert_eq!(number_in_words("fifty percent"), Some((50.0, true)));
        assert_eq!(number_in_words("fifty per cent of it"), Some((50.0, true)));
    }
}
