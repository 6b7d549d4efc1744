//! Comparing the number a response ends with.

use super::ScorerError;
use super::input::{ScorerInput, Verdict, expected_of, failure, pass_or_fail, quoted};
use super::numbers::{Number, Numbers};
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

impl NumericScorer {
    pub(super) fn new(absolute: f64, relative: f64) -> Result<Self, ScorerError> {
        Ok(Self {
            tolerance: Tolerance::new(absolute, relative)?,
            numbers: Numbers::new(),
        })
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) fn score(&self, input: &ScorerInput<'_>) -> Result<Verdict, Failure> {
        let text = expected_of(input)?;
        let expected = expected_number(&self.numbers, input, text)?;
        let Some(answered) = self.numbers.last(input.output) else {
            let feedback = format!(
                "Wrong: the expected answer is {}, but the response has no number: {}.",
                quoted(text),
                quoted(input.output)
            );
            return Ok(pass_or_fail(false, feedback));
        };
        Ok(self.tolerance.verdict(text, &expected, &answered))
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

    pub(super) fn verdict(self, text: &str, expected: &Number, answered: &Number) -> Verdict {
        let allowed = self.absolute.max(self.relative * expected.value.abs());
        let difference = expected.distance(answered);
        let close = difference <= allowed;
        let judgement = if close { "Correct" } else { "Wrong" };
        let feedback = format!(
            "{judgement}: the expected answer is {}, and the number answered is {answered}, which is {difference} away; {allowed} is allowed.",
            quoted(text)
        );
        pass_or_fail(close, feedback)
    }
}

/// The expected number; a row without exactly one is broken.
pub(super) fn expected_number(
    numbers: &Numbers,
    input: &ScorerInput<'_>,
    text: &str,
) -> Result<Number, Failure> {
    numbers.single(text).map_err(|reason| {
        let message = format!(
            "example `{}` expects {}, {reason}; correct the dataset or use another scorer",
            input.example,
            quoted(text)
        );
        failure(FailureKind::Permanent, message)
    })
}
