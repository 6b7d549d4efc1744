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
const SCALES: [(&str, f64); 4] = [
    ("thousand", 1e3),
    ("million", 1e6),
    ("billion", 1e9),
    ("trillion", 1e12),
];
/// Words that may stand behind a number at the beginning, such as `three red apples`.
const WORDS_AFTER: usize = 2;

/// The number that a text without digits ends with, or that a short text begins with.
pub(super) fn number_in_words(text: &str) -> Option<f64> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let is_part = |word: &&str| part(word).is_some() || *word == "and";
    let trailing = words.iter().rev().take_while(|word| is_part(word)).count();
    let start = words.len() - trailing;
    if trailing > 0 && !is_pronoun(&words, start) {
        return value(words.get(..start)?, &words[start..]);
    }
    let sign = usize::from(words.first().is_some_and(|word| is_minus(word)));
    let leading = words[sign..]
        .iter()
        .take_while(|word| is_part(word))
        .count();
    let is_short = words.len() <= sign + leading + WORDS_AFTER;
    (leading > 0 && is_short && !is_pronoun(&words, sign))
        .then(|| value(&words[..sign], &words[sign..sign + leading]))
        .flatten()
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
    let scale = SCALES.iter().find(|(name, _)| *name == word);
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
    let words: Vec<&&str> = words.iter().skip_while(|word| **word == "and").collect();
    let (mut total, mut group, mut smallest) = (0.0, None::<f64>, f64::INFINITY);
    // What the last word leaves room for: below 10 behind tens, below 100 behind hundreds.
    let mut room = f64::INFINITY;
    for word in &words {
        if ***word == *"and" {
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
            Part::Scale(factor) if factor < smallest => {
                total += group.unwrap_or(1.0) * factor;
                (group, smallest, room) = (None, factor, f64::INFINITY);
            }
            _ => return None,
        }
    }
    if group.is_none() && smallest.is_infinite() {
        return None;
    }
    let value = total + group.unwrap_or(0.0);
    let is_negative = before.last().is_some_and(|word| is_minus(word));
    Some(if is_negative { -value } else { value })
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
        ] {
            assert_eq!(number_in_words(text), value, "{text}");
        }
    }
}
