//! Comparing the response as text: exact, contains, regular expression.

use regex::{Regex, RegexBuilder};

use super::input::{ScorerInput, Verdict, expected_of, pass_or_fail, quoted};
use super::plain_text::{comparable, trimmed_in};
use super::{Occurrence, ScorerError, UnicodeForm};
use gepa_evaluation::Failure;

#[derive(Debug)]
pub(super) struct TextScorer {
    test: Test,
    ignore_case: bool,
    unicode: UnicodeForm,
}

#[derive(Debug)]
enum Test {
    Exact { keep_whitespace: bool },
    Contains,
    Matches(Regex),
    Captures(Regex, Occurrence),
}

impl TextScorer {
    pub(super) fn exact(ignore_case: bool, keep_whitespace: bool, unicode: UnicodeForm) -> Self {
        Self {
            test: Test::Exact { keep_whitespace },
            ignore_case,
            unicode,
        }
    }

    pub(super) fn contains(ignore_case: bool, unicode: UnicodeForm) -> Self {
        Self {
            test: Test::Contains,
            ignore_case,
            unicode,
        }
    }

    pub(super) fn regex(
        pattern: &str,
        ignore_case: bool,
        occurrence: Occurrence,
        unicode: UnicodeForm,
    ) -> Result<Self, ScorerError> {
        if pattern.is_empty() {
            return Err(ScorerError::EmptyPattern);
        }
        // A letter of the pattern is compared with that of the response in one form. A form that also joins
        // wide signs could make operators of them.
        let form = match unicode {
            UnicodeForm::None => UnicodeForm::None,
            UnicodeForm::Nfc | UnicodeForm::Nfkc => UnicodeForm::Nfc,
        };
        let regex = RegexBuilder::new(&comparable(pattern, form, false))
            .case_insensitive(ignore_case)
            .build()
            .map_err(|source| ScorerError::BadPattern {
                pattern: pattern.to_owned(),
                source: Box::new(source),
            })?;
        let test = match regex.captures_len() {
            1 => Test::Matches(regex),
            2 => Test::Captures(regex, occurrence),
            _ => return Err(ScorerError::SeveralGroups(pattern.to_owned())),
        };
        Ok(Self {
            test,
            ignore_case,
            unicode,
        })
    }

    pub(super) fn needs_expected(&self) -> bool {
        !matches!(self.test, Test::Matches(_))
    }

    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        match &self.test {
            Test::Exact { keep_whitespace } => {
                let expected = expected_of(input)?;
                let trimmed_same = self.is_same(input.output, expected);
                let same = self.folded(input.output) == self.folded(expected);
                if *keep_whitespace && trimmed_same && !same {
                    return Ok(pass_or_fail(false, whitespace_feedback(expected)));
                }
                Ok(compared(trimmed_same, expected, input.output))
            }
            Test::Contains => {
                let expected = expected_of(input)?;
                let found = self
                    .folded(input.output)
                    .contains(&self.folded(trimmed_in(expected, self.unicode)));
                Ok(pass_or_fail(
                    found,
                    contains_feedback(found, expected, input.output),
                ))
            }
            Test::Matches(regex) => {
                let found = regex.is_match(&self.searched(input.output));
                Ok(pass_or_fail(found, match_feedback(found, regex, input)))
            }
            Test::Captures(regex, occurrence) => self.compare_capture(regex, *occurrence, input),
        }
    }

    fn compare_capture(
        &self,
        regex: &Regex,
        occurrence: Occurrence,
        input: &ScorerInput<'_>,
    ) -> Result<Verdict, Failure> {
        let expected = expected_of(input)?;
        let output = self.searched(input.output);
        let all = regex.captures_iter(&output);
        let mut captured = all.filter_map(|found| found.get(1));
        let answered = match occurrence {
            Occurrence::First => captured.next(),
            Occurrence::Last => captured.last(),
        };
        let Some(answered) = answered else {
            let feedback = format!(
                "Wrong: the expected answer is {}, but no answer of the form {} was found in the response {}.",
                quoted(expected),
                quoted(regex.as_str()),
                quoted(input.output)
            );
            return Ok(pass_or_fail(false, feedback));
        };
        let same = self.is_same(answered.as_str(), expected);
        Ok(compared(same, expected, answered.as_str()))
    }

    /// The text in which a pattern is looked for.
    fn searched(&self, text: &str) -> String {
        comparable(text, self.unicode, false)
    }

    fn is_same(&self, one: &str, other: &str) -> bool {
        self.folded(trimmed_in(one, self.unicode)) == self.folded(trimmed_in(other, self.unicode))
    }

    fn folded(&self, text: &str) -> String {
        comparable(text, self.unicode, self.ignore_case)
    }
}

/// The verdict on one value that should be equal to another.
pub(super) fn compared(same: bool, expected: &str, answered: &str) -> Verdict {
    let feedback = if same {
        format!("Correct: the expected answer is {}.", quoted(expected))
    } else {
        format!(
            "Wrong: the expected answer is {}, but the response was {}.",
            quoted(expected),
            quoted(answered)
        )
    };
    pass_or_fail(same, feedback)
}

fn whitespace_feedback(expected: &str) -> String {
    format!(
        "Wrong: the expected answer is {}, and the response differs from it in white space, which counts.",
        quoted(expected)
    )
}

fn contains_feedback(found: bool, expected: &str, output: &str) -> String {
    if found {
        return format!(
            "Correct: the expected answer is {}, and the response contains it.",
            quoted(expected)
        );
    }
    format!(
        "Wrong: the expected answer is {}, but the response does not contain it: {}.",
        quoted(expected),
        quoted(output)
    )
}

fn match_feedback(found: bool, regex: &Regex, input: &ScorerInput<'_>) -> String {
    let expected = input
        .expected
        .map(|answer| format!(" The expected answer is {}.", quoted(answer)))
        .unwrap_or_default();
    let pattern = quoted(regex.as_str());
    if found {
        return format!("Correct: the response has the form {pattern}.{expected}");
    }
    format!(
        "Wrong: the response should have the form {pattern}, but was {}.{expected}",
        quoted(input.output)
    )
}
