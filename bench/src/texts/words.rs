//! What a rule can look for in a text: words, pairs of words, and how the text begins.

use std::collections::BTreeSet;

/// Digits from which on a number is a number and not a word.
const LONG_NUMBER: usize = 4;

/// The words of a text, its pairs of neighbouring words, and `^` with its first word and with its
/// first two.
pub(super) fn features(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let mut features: BTreeSet<String> = words.iter().cloned().collect();
    features.extend(words.windows(2).map(|pair| pair.join(" ")));
    if let Some(first) = words.first() {
        features.insert(format!("^{first}"));
    }
    if let [first, second, ..] = words.as_slice() {
        features.insert(format!("^{first} {second}"));
    }
    features
}

/// How much a rule weighs that looks for this: pairs and beginnings weigh more.
pub(super) fn weight(feature: &str) -> f64 {
    let pair = if feature.contains(' ') { 0.6 } else { 0.0 };
    let beginning = if feature.starts_with('^') { 0.5 } else { 0.0 };
    1.0 + pair + beginning
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        if character.is_ascii_lowercase() || character.is_ascii_digit() || "£$".contains(character)
        {
            word.push(character);
            continue;
        }
        if !word.is_empty() {
            words.push(without_numbers(&std::mem::take(&mut word)));
        }
        if matches!(character, '?' | '!') {
            words.push(character.to_string());
        }
    }
    if !word.is_empty() {
        words.push(without_numbers(&word));
    }
    words
}

/// Every long number is the same feature.
fn without_numbers(word: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for character in word.chars().map(Some).chain([None]) {
        if let Some(digit) = character.filter(char::is_ascii_digit) {
            digits.push(digit);
            continue;
        }
        if digits.len() >= LONG_NUMBER {
            out.push_str("<num>");
        } else {
            out.push_str(&digits);
        }
        digits.clear();
        out.extend(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_words_pairs_and_beginning() {
        let found = features("how many?");
        let expected = [
            "?",
            "^how",
            "^how many",
            "how",
            "how many",
            "many",
            "many ?",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());
    }

    #[test]
    fn long_numbers_are_alike_and_short_ones_are_words() {
        assert!(features("call 08001234 now").contains("call <num>"));
        assert!(features("24 hours").contains("24 hours"));
    }
}
