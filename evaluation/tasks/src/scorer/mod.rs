//! Scorers: how an answer becomes a score and a sentence about why.

mod command;
mod error;
mod input;
mod json_field;
mod judge;
mod numeric;
mod settings;
mod text;

use std::path::Path;
use std::sync::Arc;

pub use error::ScorerError;
pub use input::{Judgement, ScorerInput, Verdict};
pub use settings::{JsonComparison, ScorerSettings};

use gepa_evaluation::{LanguageModel, UsageBound};

/// Scores answers as its settings say.
#[derive(Debug)]
pub struct Scorer {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(text::TextScorer),
    Numeric(numeric::NumericScorer),
    JsonField(json_field::JsonFieldScorer),
    Judge(judge::JudgeScorer),
    Command(command::CommandScorer),
}

impl Scorer {
    /// Builds the scorer. Relative paths start at `base`, the config file's folder; `judge` answers
    /// for `llm_judge` and is ignored by the others.
    pub fn new(
        settings: &ScorerSettings,
        base: &Path,
        judge: Option<Arc<dyn LanguageModel>>,
    ) -> Result<Self, ScorerError> {
        let kind = match settings {
            ScorerSettings::Exact {
                ignore_case,
                keep_whitespace,
            } => Kind::Text(text::TextScorer::exact(*ignore_case, *keep_whitespace)),
            ScorerSettings::Contains { ignore_case } => {
                Kind::Text(text::TextScorer::contains(*ignore_case))
            }
            ScorerSettings::Regex {
                pattern,
                ignore_case,
            } => Kind::Text(text::TextScorer::regex(pattern, *ignore_case)?),
            ScorerSettings::Numeric { absolute, relative } => {
                Kind::Numeric(numeric::NumericScorer::new(*absolute, *relative)?)
            }
            ScorerSettings::JsonField { path, compare } => {
                Kind::JsonField(json_field::JsonFieldScorer::new(path, compare)?)
            }
            ScorerSettings::LlmJudge { prompt } => {
                Kind::Judge(judge::JudgeScorer::new(prompt, judge)?)
            }
            ScorerSettings::Command {
                command,
                timeout_seconds,
                deterministic,
            } => Kind::Command(command::CommandScorer::new(
                command,
                base,
                *timeout_seconds,
                *deterministic,
            )?),
        };
        Ok(Self { kind })
    }

    /// Scores one answer.
    pub async fn score(&self, input: &ScorerInput<'_>) -> Judgement {
        match &self.kind {
            Kind::Text(scorer) => scorer.score(input).into(),
            Kind::Numeric(scorer) => scorer.score(input).into(),
            Kind::JsonField(scorer) => scorer.score(input).into(),
            Kind::Judge(scorer) => scorer.score(input).await,
            Kind::Command(scorer) => scorer.score(input).await,
        }
    }

    /// Whether the same answer always gets the same score.
    pub fn is_deterministic(&self) -> bool {
        match &self.kind {
            Kind::Text(_) | Kind::Numeric(_) | Kind::JsonField(_) => true,
            Kind::Judge(scorer) => scorer.is_deterministic(),
            Kind::Command(scorer) => scorer.is_deterministic(),
        }
    }

    /// Whether every row needs an expected answer.
    pub fn needs_expected(&self) -> bool {
        match &self.kind {
            Kind::Text(scorer) => scorer.needs_expected(),
            Kind::Numeric(_) | Kind::JsonField(_) => true,
            Kind::Judge(scorer) => scorer.needs_expected(),
            Kind::Command(_) => false,
        }
    }

    /// The most one judgement can cost: zero where no model judges, `None` where it is unknown.
    /// `expected` and `input` are those of the row, `output_bytes` the longest answer expected.
    pub fn usage_bound(
        &self,
        input: &str,
        expected: Option<&str>,
        output_bytes: usize,
    ) -> Option<UsageBound> {
        match &self.kind {
            Kind::Judge(scorer) => scorer.usage_bound(input, expected, output_bytes),
            _ => Some(UsageBound::default()),
        }
    }
}
