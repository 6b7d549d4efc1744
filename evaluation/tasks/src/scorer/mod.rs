//! Scorers: how an answer becomes a score and a sentence about why.

mod command;
mod error;
mod expected;
mod input;
mod items;
mod json_documents;
mod json_field;
mod json_repair;
mod judge;
mod judge_reply;
mod judge_words;
mod lasting;
mod list_items;
mod numbers;
mod numeric;
mod overlap;
mod plain_text;
mod settings;
mod text;

use std::path::Path;
use std::sync::Arc;

pub use error::ScorerError;
pub use input::{Judgement, ScorerInput, Verdict};
pub use settings::{
    JsonComparison, ListMeasure, Occurrence, RankingMeasure, ScorerSettings, SetMeasure,
    UnicodeForm,
};

use expected::{answers_of, best_of, fault_of};
use gepa_evaluation::{LanguageModel, ScoreRange, UsageBound};
use input::quoted;
use items::Comparison;
use lasting::Lasting;

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
    Overlap(overlap::OverlapScorer),
    Items(items::ItemsScorer),
    Judge(judge::JudgeScorer),
    Command(command::CommandScorer),
    Lasting(lasting::LastingScorer),
}

impl Kind {
    fn items(comparison: Comparison, ignore_case: bool) -> Self {
        Self::Items(items::ItemsScorer {
            comparison,
            ignore_case,
        })
    }
}

impl Scorer {
    /// Builds the scorer. Relative paths start at `base`, the config file's folder; `judge` answers
    /// for `llm_judge` and is ignored by the others.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of scorer")]
    pub fn new(
        settings: &ScorerSettings,
        base: &Path,
        judge: Option<Arc<dyn LanguageModel>>,
    ) -> Result<Self, ScorerError> {
        let kind = match settings {
            ScorerSettings::Exact {
                ignore_case,
                keep_whitespace,
                unicode,
            } => Kind::Text(text::TextScorer::exact(
                *ignore_case,
                *keep_whitespace,
                *unicode,
            )),
            ScorerSettings::Contains {
                ignore_case,
                unicode,
            } => Kind::Text(text::TextScorer::contains(*ignore_case, *unicode)),
            ScorerSettings::Regex {
                pattern,
                ignore_case,
                occurrence,
                unicode,
            } => Kind::Text(text::TextScorer::regex(
                pattern,
                *ignore_case,
                *occurrence,
                *unicode,
            )?),
            ScorerSettings::Numeric { absolute, relative } => {
                Kind::Numeric(numeric::NumericScorer::new(*absolute, *relative)?)
            }
            ScorerSettings::JsonField { path, compare } => {
                Kind::JsonField(json_field::JsonFieldScorer::new(path, compare)?)
            }
            ScorerSettings::TokenF1 { keep_articles } => {
                Kind::Overlap(overlap::OverlapScorer::TokenF1 {
                    keep_articles: *keep_articles,
                })
            }
            ScorerSettings::RougeL {} => Kind::Overlap(overlap::OverlapScorer::RougeL),
            ScorerSettings::EditSimilarity { ignore_case } => {
                Kind::Overlap(overlap::OverlapScorer::Edit {
                    ignore_case: *ignore_case,
                })
            }
            ScorerSettings::SetMatch {
                measure,
                ignore_case,
            } => Kind::items(Comparison::Set(*measure), *ignore_case),
            ScorerSettings::ListMatch {
                measure,
                ignore_case,
            } => Kind::items(Comparison::List(*measure), *ignore_case),
            ScorerSettings::Ranking { at: Some(0), .. } => return Err(ScorerError::NothingRanked),
            ScorerSettings::Ranking {
                measure,
                at,
                ignore_case,
            } => {
                let (measure, at) = (*measure, *at);
                Kind::items(Comparison::Ranking { measure, at }, *ignore_case)
            }
            ScorerSettings::LlmJudge { prompt } => {
                Kind::Judge(judge::JudgeScorer::new(prompt, judge)?)
            }
            ScorerSettings::Python {
                expression,
                python,
                processes,
                timeout_seconds,
                deterministic,
            } => Kind::Lasting(lasting::LastingScorer::python(
                expression,
                python,
                base,
                &Lasting {
                    processes: *processes,
                    timeout_seconds: *timeout_seconds,
                    deterministic: *deterministic,
                },
            )?),
            ScorerSettings::Command {
                command,
                timeout_seconds,
                deterministic,
                lasting: true,
                processes,
            } => Kind::Lasting(lasting::LastingScorer::command(
                command.clone(),
                base,
                &Lasting {
                    processes: *processes,
                    timeout_seconds: *timeout_seconds,
                    deterministic: *deterministic,
                },
            )?),
            ScorerSettings::Command {
                command,
                timeout_seconds,
                deterministic,
                ..
            } => Kind::Command(command::CommandScorer::new(
                command,
                base,
                *timeout_seconds,
                *deterministic,
            )?),
        };
        Ok(Self { kind })
    }

    /// Starts the scorer's programs, so that a program or expression that cannot work is found
    /// before any rollout is paid for. Without this call they start with the first answer.
    pub async fn start(&self) -> Result<(), ScorerError> {
        match &self.kind {
            Kind::Lasting(scorer) => scorer.start().await,
            _ => Ok(()),
        }
    }

    /// Why this scorer cannot use an expected answer, as the end of a sentence about its row;
    /// `None` if it can.
    pub fn fault_of(&self, expected: Option<&str>) -> Option<String> {
        if !self.needs_expected() {
            return None;
        }
        if let Some(fault) = fault_of(expected) {
            return Some(fault.to_owned());
        }
        let expected = expected.unwrap_or_default();
        let numbers = match &self.kind {
            Kind::Numeric(scorer) => Some(scorer.numbers()),
            Kind::JsonField(scorer) => scorer.numbers(),
            Kind::Items(scorer) => return scorer.fault_of(expected).map(str::to_owned),
            _ => None,
        };
        answers_of(expected).iter().find_map(|answer| {
            if let Kind::Overlap(scorer) = &self.kind {
                return overlap::fault_in_words(scorer, answer).map(str::to_owned);
            }
            let fault = numbers?.single(answer).err()?;
            Some(format!("expects {}, {fault}", quoted(answer)))
        })
    }

    /// Scores one answer. Where the expected answer is a JSON list, any of its items is right; for
    /// the scorers of lists it is the list itself.
    pub async fn score(&self, input: &ScorerInput<'_>) -> Judgement {
        match &self.kind {
            Kind::Text(scorer) => best_of(input, |one| scorer.score(one)).into(),
            Kind::Numeric(scorer) => best_of(input, |one| scorer.score(one)).into(),
            Kind::JsonField(scorer) => best_of(input, |one| scorer.score(one)).into(),
            Kind::Overlap(scorer) => best_of(input, |one| scorer.score(one)).into(),
            Kind::Items(scorer) => scorer.score(input).into(),
            Kind::Judge(scorer) => scorer.score(input).await,
            Kind::Command(scorer) => scorer.score(input).await,
            Kind::Lasting(scorer) => scorer.score(input).await,
        }
    }

    /// The model that judges, where one does.
    pub(crate) fn judge(&self) -> Option<&dyn LanguageModel> {
        match &self.kind {
            Kind::Judge(scorer) => Some(scorer.model()),
            _ => None,
        }
    }

    /// Whether the same answer always gets the same score.
    pub fn is_deterministic(&self) -> bool {
        match &self.kind {
            Kind::Judge(scorer) => scorer.is_deterministic(),
            Kind::Command(scorer) => scorer.is_deterministic(),
            Kind::Lasting(scorer) => scorer.is_deterministic(),
            _ => true,
        }
    }

    /// The range of its scores; `None` for programs, which may give any score.
    pub fn score_range(&self) -> Option<ScoreRange> {
        match &self.kind {
            Kind::Command(_) | Kind::Lasting(_) => None,
            _ => Some(ScoreRange::UNIT),
        }
    }

    /// Whether every row needs an expected answer.
    pub fn needs_expected(&self) -> bool {
        match &self.kind {
            Kind::Text(scorer) => scorer.needs_expected(),
            Kind::Judge(scorer) => scorer.needs_expected(),
            Kind::Command(_) | Kind::Lasting(_) => false,
            _ => true,
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
