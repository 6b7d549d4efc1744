//! The similarity of a response to the expected answer: by words, by their order, by characters.

use super::UnicodeForm;
use super::input::{ScorerInput, Verdict, expected_of, quoted};
use super::plain_text::{comparable, trimmed, words};
use gepa_evaluation::Failure;

/// Longest text compared, in words or characters; of a longer one the beginning.
const LONGEST: usize = 10_000;

/// Words that carry no meaning of their own in English.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

#[derive(Debug)]
pub(super) enum OverlapScorer {
    TokenF1 { keep_articles: bool },
    RougeL,
    Edit { ignore_case: bool },
}

impl OverlapScorer {
    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        let expected = expected_of(input)?;
        let output = input.output;
        let (score, what) = match self {
            Self::TokenF1 { keep_articles } => (
                token_f1(expected, output, *keep_articles),
                "shared words (F1)",
            ),
            Self::RougeL => (rouge_l(expected, output), "shared words in order (ROUGE-L)"),
            Self::Edit { ignore_case } => (
                edit_similarity(expected, output, *ignore_case),
                "similarity by characters",
            ),
        };
        let feedback = if score >= 1.0 {
            format!("Correct: the expected answer is {}.", quoted(expected))
        } else {
            format!(
                "The expected answer is {}, and the response was {}: {what} {score:.3} of 1.",
                quoted(expected),
                quoted(output)
            )
        };
        Ok(Verdict {
            score,
            feedback: Some(feedback),
            ..Verdict::default()
        })
    }
}

/// The harmonic mean of the shares of words that both texts have, counting repeated words.
fn token_f1(expected: &str, output: &str, keep_articles: bool) -> f64 {
    let tokens = |text: &str| {
        let mut tokens = words(text);
        if !keep_articles {
            tokens.retain(|word| !ARTICLES.contains(&word.as_str()));
        }
        tokens.sort_unstable();
        tokens
    };
    let (expected, output) = (tokens(expected), tokens(output));
    let (mut at, mut other, mut shared) = (0, 0, 0);
    while let (Some(one), Some(two)) = (expected.get(at), output.get(other)) {
        match one.cmp(two) {
            std::cmp::Ordering::Less => at += 1,
            std::cmp::Ordering::Greater => other += 1,
            std::cmp::Ordering::Equal => {
                at += 1;
                other += 1;
                shared += 1;
            }
        }
    }
    f1(shared, expected.len(), output.len())
}

/// The same over the longest sequence of words that both texts have in this order.
fn rouge_l(expected: &str, output: &str) -> f64 {
    let tokens = |text: &str| {
        let mut tokens = words(text);
        tokens.truncate(LONGEST);
        tokens
    };
    let (expected, output) = (tokens(expected), tokens(output));
    let mut row = vec![0_usize; output.len() + 1];
    for word in &expected {
        let mut diagonal = 0;
        for (at, other) in output.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if word == other {
                diagonal + 1
            } else {
                above.max(row[at])
            };
            diagonal = above;
        }
    }
    let shared = row.last().copied().unwrap_or(0);
    f1(shared, expected.len(), output.len())
}

/// 1 less the share of characters that have to be changed, put in or taken out.
fn edit_similarity(expected: &str, output: &str, ignore_case: bool) -> f64 {
    let plain = |text: &str| -> Vec<char> {
        comparable(trimmed(text), UnicodeForm::Nfc, ignore_case)
            .chars()
            .take(LONGEST)
            .collect()
    };
    let (expected, output) = (plain(expected), plain(output));
    let longest = expected.len().max(output.len());
    if longest == 0 {
        return 1.0;
    }
    let distance = strsim::generic_levenshtein(&Characters(&expected), &Characters(&output));
    1.0 - distance as f64 / longest as f64
}

/// Characters by reference, as the distance wants them.
struct Characters<'c>(&'c [char]);

impl<'b> IntoIterator for &'b Characters<'_> {
    type Item = &'b char;
    type IntoIter = std::slice::Iter<'b, char>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

fn f1(shared: usize, expected: usize, output: usize) -> f64 {
    if expected == 0 && output == 0 {
        return 1.0;
    }
    2.0 * shared as f64 / (expected + output) as f64
}

/// An expected answer without a word can never be matched by words.
pub(super) fn fault_in_words(scorer: &OverlapScorer, expected: &str) -> Option<&'static str> {
    let by_words = !matches!(scorer, OverlapScorer::Edit { .. });
    (by_words && words(expected).is_empty()).then_some("expects an answer without any word")
}
