//! The conditions of rules, and their texts.

use std::fmt;

use super::inputs::{Inputs, words_of};

/// A condition on the inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// The field has this value; numbers compare as numbers.
    Is { field: String, value: String },
    /// The field is a number of at least this.
    AtLeast { field: String, number: f64 },
    /// The field is a number below this.
    Below { field: String, number: f64 },
    /// The words occur one after the other.
    Contains { field: String, phrase: Vec<String> },
    /// The text begins with these words.
    StartsWith { field: String, phrase: Vec<String> },
    /// A word consists of at least `digits` digits.
    LongNumber { field: String, digits: usize },
}

impl Condition {
    pub(super) fn holds(&self, inputs: &Inputs) -> bool {
        match self {
            Self::Is { field, value } => inputs
                .value(field)
                .is_some_and(|actual| same_value(actual, value)),
            Self::AtLeast { field, number } => {
                number_in(inputs, field).is_some_and(|actual| actual >= *number)
            }
            Self::Below { field, number } => {
                number_in(inputs, field).is_some_and(|actual| actual < *number)
            }
            Self::Contains { field, phrase } => inputs
                .words(field)
                .windows(phrase.len().max(1))
                .any(|window| window == phrase),
            Self::StartsWith { field, phrase } => inputs.words(field).starts_with(phrase),
            Self::LongNumber { field, digits } => inputs
                .words(field)
                .iter()
                .any(|word| is_long_number(word, *digits)),
        }
    }

    /// Reads a condition in the form that [`fmt::Display`] writes. Case does not matter.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let subject = strip_prefix_ignoring_case(trimmed, "the ").unwrap_or(trimmed);
        if let Some((field, rest)) = split_at_phrase(subject, " contains a number of at least ") {
            let digits = rest.split_whitespace().next()?.parse().ok()?;
            return Some(Self::LongNumber { field, digits });
        }
        if let Some((field, rest)) = split_at_phrase(subject, " contains ") {
            let phrase = phrase_in(&rest)?;
            return Some(Self::Contains { field, phrase });
        }
        if let Some((field, rest)) = split_at_phrase(subject, " starts with ") {
            let phrase = phrase_in(&rest)?;
            return Some(Self::StartsWith { field, phrase });
        }
        if let Some((field, rest)) = split_at_phrase(subject, " is at least ") {
            let number = finite(&rest)?;
            return Some(Self::AtLeast { field, number });
        }
        if let Some((field, rest)) = split_at_phrase(subject, " is below ") {
            let number = finite(&rest)?;
            return Some(Self::Below { field, number });
        }
        let (field, rest) = split_at_phrase(subject, " is ")?;
        let value = unquoted(&rest).to_owned();
        (!value.is_empty()).then_some(Self::Is { field, value })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is { field, value } if value.contains(char::is_whitespace) => {
                write!(formatter, "{field} is \"{value}\"")
            }
            Self::Is { field, value } => write!(formatter, "{field} is {value}"),
            Self::AtLeast { field, number } => write!(formatter, "{field} is at least {number}"),
            Self::Below { field, number } => write!(formatter, "{field} is below {number}"),
            Self::Contains { field, phrase } => {
                write!(formatter, "the {field} contains \"{}\"", phrase.join(" "))
            }
            Self::StartsWith { field, phrase } => {
                write!(
                    formatter,
                    "the {field} starts with \"{}\"",
                    phrase.join(" ")
                )
            }
            Self::LongNumber { field, digits } => write!(
                formatter,
                "the {field} contains a number of at least {digits} digits"
            ),
        }
    }
}

/// The text as a finite number.
pub(super) fn finite(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

pub(super) fn is_long_number(word: &str, digits: usize) -> bool {
    word.len() >= digits && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Splits at the first occurrence of `phrase` in any case. `phrase` itself is in lower case.
pub(super) fn split_at_phrase(text: &str, phrase: &str) -> Option<(String, String)> {
    // Only ASCII letters change, so positions in both texts are equal.
    let at = text.to_ascii_lowercase().find(phrase)?;
    let (before, after) = (text[..at].trim(), &text[at + phrase.len()..]);
    (!before.is_empty()).then(|| (before.to_owned(), after.to_owned()))
}

pub(super) fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

/// The text without the quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '`', '\''])
}

fn phrase_in(text: &str) -> Option<Vec<String>> {
    let phrase = words_of(unquoted(text));
    (!phrase.is_empty()).then_some(phrase)
}

fn number_in(inputs: &Inputs, field: &str) -> Option<f64> {
    finite(inputs.value(field)?)
}

fn same_value(actual: &str, value: &str) -> bool {
    match (finite(actual), finite(value)) {
        (Some(one), Some(other)) => one == other,
        _ => actual.trim().eq_ignore_ascii_case(value.trim()),
    }
}
