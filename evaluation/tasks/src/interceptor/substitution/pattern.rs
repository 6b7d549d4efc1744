//! Patterns with `{wildcards}`, matched against texts in linear time.

use std::ops::Range;
use std::sync::Arc;

use indexmap::IndexMap;

use gepa_evaluation::{PatternPart, split_wildcards};

/// Wildcards with what they stand for, in order of appearance.
pub(super) type Values = IndexMap<Arc<str>, String>;

/// A pattern taken apart: a literal, then wildcards each followed by a literal.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    first: String,
    rest: Vec<(Arc<str>, String)>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut pattern = Self {
            first: String::new(),
            rest: Vec::new(),
        };
        for part in split_wildcards(text) {
            match part {
                PatternPart::Wildcard(name) => pattern.rest.push((name.into(), String::new())),
                PatternPart::Text(text) => match pattern.rest.last_mut() {
                    Some((_, literal)) => literal.push_str(text),
                    None => pattern.first.push_str(text),
                },
            }
        }
        pattern
    }

    /// The length of all literals, in bytes. Of two patterns, the one with more is more specific.
    pub(super) fn literal_length(&self) -> usize {
        let rest: usize = self.rest.iter().map(|(_, literal)| literal.len()).sum();
        self.first.len() + rest
    }

    /// The values of the wildcards if the whole text has this form. Each wildcard takes as little as
    /// it can, line ends included. A wildcard named twice must stand for the same text.
    pub(super) fn match_whole(&self, text: &str) -> Option<Values> {
        let Some(((last_name, last), middle)) = self.rest.split_last() else {
            return (text == self.first).then(Values::new);
        };
        let mut rest = text.strip_prefix(self.first.as_str())?;
        let mut values = Values::new();
        for (name, literal) in middle {
            rest = take_value(&mut values, name, literal, rest)?;
        }
        let value = rest.strip_suffix(last.as_str())?;
        bind(&mut values, last_name, value)?;
        Some(values)
    }

    /// The first part of the text that has this form, white space at the pattern's ends aside. Both
    /// ends must be literal: a wildcard at an end would match text that does not belong to it.
    pub(super) fn find_within(&self, text: &str) -> Option<(Range<usize>, Values)> {
        let Some(((last_name, last), middle)) = self.rest.split_last() else {
            let literal = self.first.trim();
            let start = find_text(text, literal)?;
            return Some((start..start + literal.len(), Values::new()));
        };
        let first = self.first.trim_start();
        let last = last.trim_end();
        if first.is_empty() || last.is_empty() {
            return None;
        }
        let start = text.find(first)?;
        let mut rest = &text[start + first.len()..];
        let mut values = Values::new();
        for (name, literal) in middle {
            rest = take_value(&mut values, name, literal, rest)?;
        }
        rest = take_value(&mut values, last_name, last, rest)?;
        Some((start..text.len() - rest.len(), values))
    }
}

/// Where `part` stands in `text`: the first place where it fills whole lines, else the first place.
/// A short text may also occur inside a sentence of the app, which must not be torn apart.
pub(super) fn find_text(text: &str, part: &str) -> Option<usize> {
    if part.is_empty() {
        return None;
    }
    let fills_lines = |at: usize| {
        let (before, after) = (&text[..at], &text[at + part.len()..]);
        (before.is_empty() || before.ends_with('\n'))
            && (after.is_empty() || after.starts_with(['\n', '\r']))
    };
    let mut places = text.match_indices(part).map(|(at, _)| at);
    places
        .find(|at| fills_lines(*at))
        .or_else(|| text.find(part))
}

/// Binds `name` to the text before `literal` and returns the text after it. The first occurrence
/// leaves the most for the rest of the pattern, so nothing has to be tried twice.
fn take_value<'t>(
    values: &mut Values,
    name: &Arc<str>,
    literal: &str,
    text: &'t str,
) -> Option<&'t str> {
    let end = text.find(literal)?;
    bind(values, name, &text[..end])?;
    Some(&text[end + literal.len()..])
}

fn bind(values: &mut Values, name: &Arc<str>, value: &str) -> Option<()> {
    let known = values.entry(Arc::clone(name));
    let known = known.or_insert_with(|| value.to_owned());
    (known == value).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(pattern: &str, text: &str) -> Option<Vec<(String, String)>> {
        let found = Pattern::new(pattern).match_whole(text)?;
        let pairs = found.into_iter();
        Some(
            pairs
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        )
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn wildcards_take_as_little_as_they_can_over_any_number_of_lines() {
        let found = values(
            "Q: {q}\n\nIntents:\n{i}\n\nGo",
            "Q: a\nb\n\nIntents:\n1\n\n2\n\nGo",
        );
        assert_eq!(found, Some(vec![pair("q", "a\nb"), pair("i", "1\n\n2")]));
        assert_eq!(
            values("{a}{b}", "xy"),
            Some(vec![pair("a", ""), pair("b", "xy")])
        );
        assert_eq!(values("{a}-{a}", "x-x"), Some(vec![pair("a", "x")]));
        assert_eq!(values("{a}-{a}", "x-y"), None);
        assert_eq!(values("plain", "plain"), Some(Vec::new()));
        assert_eq!(values("plain", "plain "), None);
        assert_eq!(values("{a} end", "no"), None);
    }

    #[test]
    fn a_text_full_of_near_matches_is_matched_in_one_pass() {
        let pattern = "{a}x".repeat(200) + "!";
        let names: Vec<String> = (0..200).map(|n| format!("{{n{n}}}x")).collect();
        let text = "x".repeat(1_000_000);
        assert!(Pattern::new(&pattern).match_whole(&text).is_none());
        assert!(
            Pattern::new(&(names.concat() + "!"))
                .match_whole(&text)
                .is_none()
        );
    }

    proptest! {
        #[test]
        fn what_was_rendered_is_recovered_in_the_same_form(
            literals in proptest::collection::vec("[ab\n ]{0,4}", 1..5),
            fills in proptest::collection::vec("[abé\n{}]{0,6}", 4),
        ) {
            let mut pattern = literals[0].clone();
            let mut text = literals[0].clone();
            for (at, literal) in literals.iter().enumerate().skip(1) {
                pattern.extend(["{w", &at.to_string(), "}", literal]);
                text.push_str(&fills[at - 1]);
                text.push_str(literal);
            }
            let found = Pattern::new(&pattern).match_whole(&text);
            let found = found.expect("a rendered text has the form of its pattern");
            let mut again = literals[0].clone();
            for (at, literal) in literals.iter().enumerate().skip(1) {
                again.push_str(&found[&*format!("w{at}")]);
                again.push_str(literal);
            }
            prop_assert_eq!(again, text);
        }

        #[test]
        fn a_match_is_what_a_non_greedy_regex_finds(
            literals in proptest::collection::vec("[ab]{0,2}", 1..5),
            text in "[ab\n]{0,12}",
        ) {
            let mut pattern = literals[0].clone();
            let mut expression = format!("(?s)^{}", literals[0]);
            for (at, literal) in literals.iter().enumerate().skip(1) {
                pattern.extend(["{w", &at.to_string(), "}", literal]);
                expression.extend(["(.*?)", literal]);
            }
            expression.push('$');
            let oracle = regex::Regex::new(&expression).unwrap();
            let expected: Option<Vec<String>> = oracle.captures(&text).map(|found| {
                found.iter().skip(1).flatten().map(|group| group.as_str().to_owned()).collect()
            });
            let found = Pattern::new(&pattern).match_whole(&text);
            let found: Option<Vec<String>> = found.map(|values| values.into_values().collect());
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn a_part_that_was_found_has_the_form_of_the_pattern(
            before in "[ab ]{0,5}", value in "[abc]{0,5}", after in "[ab ]{0,5}",
        ) {
            let text = format!("{before}<{value}>{after}");
            let (range, values) = Pattern::new("<{v}>").find_within(&text).unwrap();
            prop_assert_eq!(&text[range], format!("<{value}>"));
            prop_assert_eq!(&values["v"], &value);
        }
    }
}
