//! Comparing the last number of the response.

use regex::Regex;

use super::ScorerError;
use super::input::{ScorerInput, Verdict, expected_of, failure, pass_or_fail, quoted};
use gepa_evaluation::{Failure, FailureKind};

#[derive(Debug)]
pub(super) struct NumericScorer {
    tolerance: Tolerance,
    numbers: Numbers,
}

/// How far two numbers may be apart; the wider limit counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    absolute: f64,
    relative: f64,
}

/// Finds numbers in text.
#[derive(Debug)]
pub(super) struct Numbers(Regex);

impl NumericScorer {
    pub(super) fn new(absolute: f64, relative: f64) -> Result<Self, ScorerError> {
        Ok(Self {
            tolerance: Tolerance::new(absolute, relative)?,
            numbers: Numbers::new(),
        })
    }

    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        let text = expected_of(input)?;
        let expected = self.numbers.expected(input, text)?;
        let Some(answered) = self.numbers.last(input.output) else {
            let feedback = format!(
                "Wrong: the expected answer is {}, but the response has no number: {}.",
                quoted(text),
                quoted(input.output)
            );
            return Ok(pass_or_fail(false, feedback));
        };
        Ok(self.tolerance.verdict(text, expected, answered))
    }
}

impl Tolerance {
    pub(super) fn new(absolute: f64, relative: f64) -> Result<Self, ScorerError> {
        for (name, value) in [("absolute", absolute), ("relative", relative)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(ScorerError::BadTolerance { name, value });
            }
        }
        Ok(Self { absolute, relative })
    }

    pub(super) fn verdict(self, text: &str, expected: f64, answered: f64) -> Verdict {
        let allowed = self.absolute.max(self.relative * expected.abs());
        let difference = (answered - expected).abs();
        let close = difference <= allowed;
        let judgement = if close { "Correct" } else { "Wrong" };
        let feedback = format!(
            "{judgement}: the expected answer is {}, and the number answered is {answered}, which is {difference} away; {allowed} is allowed.",
            quoted(text)
        );
        pass_or_fail(close, feedback)
    }
}

impl Numbers {
    pub(super) fn new() -> Self {
        let number = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?";
        Self(Regex::new(number).expect("the pattern is a constant and valid"))
    }

    /// The last number in the text; thousands may be grouped by commas.
    pub(super) fn last(&self, text: &str) -> Option<f64> {
        let found = self.0.find_iter(text).last()?;
        let glued = text[..found.start()].ends_with(char::is_alphanumeric);
        let digits = found.as_str().replace(',', "");
        let number = if glued {
            // The dash of `3-4` or `covid-19` is no sign.
            digits.trim_start_matches(['-', '+'])
        } else {
            &digits
        };
        number.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The expected number; a row without one is broken.
    pub(super) fn expected(&self, input: &ScorerInput<'_>, text: &str) -> Result<f64, Failure> {
        self.last(text).ok_or_else(|| {
            let message = format!(
                "example `{}` expects {}, which has no number; correct the dataset or use another scorer",
                input.example,
                quoted(text)
            );
            failure(FailureKind::Permanent, message)
        })
    }
}
