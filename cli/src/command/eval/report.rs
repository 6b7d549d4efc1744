//! What an evaluation found.

use std::fmt::Write as _;

use gepa_statistics::{Comparison, Direction, Estimate, Sequential, mean_interval};
use serde::Serialize;
use serde_json::json;

use super::side::Side;
use crate::arguments::EvalArguments;
use crate::command::gate::{JunitCase, cell, junit_of, put};
use crate::error::CommandError;
use crate::format::estimate;

/// What was found about all sides.
pub(super) struct Report {
    sides: Vec<SideReport>,
    /// Examples run.
    examples: usize,
    /// Examples of the set.
    of: usize,
    fail_if_worse: bool,
}

/// What was found about one side.
#[derive(Clone, Debug, Serialize)]
struct SideReport {
    label: String,
    run_id: Option<String>,
    rollouts_executed: u64,
    is_baseline: bool,
    /// The mean score with its interval.
    score: Option<Estimate>,
    /// The difference to the baseline.
    difference: Option<Estimate>,
    won: usize,
    lost: usize,
    /// The probability of being better than the baseline.
    p_better: Option<f64>,
    /// `better`, `worse` or `not shown to be better`, against the baseline.
    against_baseline: Option<&'static str>,
    /// Whether the mean is below the limit; `None` if there is no limit.
    below_limit: Option<bool>,
    #[serde(skip)]
    is_decided: bool,
}

impl Report {
    pub(super) fn of(arguments: &EvalArguments, sides: &[Side], of: usize) -> Self {
        let baseline = sides.iter().find(|side| side.is_baseline);
        let compared = sides.iter().filter(|side| !side.is_baseline).count().max(1);
        let confidence = 1.0 - (1.0 - arguments.confidence) / compared as f64;
        let reports = sides.iter().map(|side| {
            let against = baseline.filter(|_| !side.is_baseline);
            SideReport::of(side, against, arguments, confidence)
        });
        Self {
            sides: reports.collect(),
            examples: sides.first().map_or(0, |side| side.scores.len()),
            of,
            fail_if_worse: arguments.fail_if_worse,
        }
    }

    /// Whether more examples would change no answer, but for the risk taken.
    pub(super) fn is_decided(&self) -> bool {
        self.sides.iter().all(|side| side.is_decided)
    }

    /// Whether nothing that must not be was found.
    pub(super) fn passed(&self) -> bool {
        self.sides.iter().all(|side| self.has_passed(side))
    }

    fn has_passed(&self, side: &SideReport) -> bool {
        let is_worse = self.fail_if_worse && side.against_baseline == Some("worse");
        !is_worse && side.below_limit != Some(true)
    }

    /// The findings for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for side in &self.sides {
            let role = if side.is_baseline { " (baseline)" } else { "" };
            lines.push(format!("{}{role}", side.label));
            lines.push(format!(
                "  score       {}",
                side.score.map_or_else(|| "none".to_owned(), estimate)
            ));
            if let (Some(found), Some(word)) = (side.difference, side.against_baseline) {
                lines.push(format!(
                    "  difference  {}",
                    crate::format::difference(found)
                ));
                lines.push(format!(
                    "  verdict     {word}: {} won, {} lost; probability that it is better {:.3}",
                    side.won,
                    side.lost,
                    side.p_better.unwrap_or(0.5)
                ));
            }
            if side.below_limit == Some(true) {
                lines.push("  the score is below the limit".to_owned());
            }
        }
        if self.examples < self.of {
            lines.push(format!(
                "decided after {} of {} examples; `--all` runs the rest",
                self.examples, self.of
            ));
        } else {
            lines.push(format!("{} examples", self.of));
        }
        lines
    }

    /// Writes the files that the arguments name.
    pub(super) fn write_files(&self, arguments: &EvalArguments) -> Result<(), CommandError> {
        if let Some(path) = &arguments.json {
            let object = json!({
                "passed": self.passed(),
                "examples": self.examples,
                "of": self.of,
                "sides": self.sides,
            });
            put(path, &(serde_json::to_string_pretty(&object)? + "\n"))?;
        }
        if let Some(path) = &arguments.junit {
            let cases: Vec<_> = self
                .sides
                .iter()
                .map(|side| {
                    let found = side.score.map_or_else(|| "no score".to_owned(), estimate);
                    let word = side.against_baseline.unwrap_or("no baseline");
                    JunitCase {
                        name: side.label.clone(),
                        passed: Some(self.has_passed(side)),
                        found: format!("{found}; {word}"),
                    }
                })
                .collect();
            put(path, &junit_of("gepa eval", &cases))?;
        }
        if let Some(path) = &arguments.markdown {
            put(path, &self.markdown())?;
        }
        Ok(())
    }

    fn markdown(&self) -> String {
        let mark = if self.passed() {
            "passed"
        } else {
            "not passed"
        };
        let mut text = format!(
            "### gepa eval: {mark}\n\n| | score | difference | verdict |\n|---|---|---|---|\n"
        );
        let numbers = |found: Option<Estimate>, sign: bool| {
            found.map_or_else(String::new, |one| {
                if sign {
                    format!("{:+.3} [{:+.3}, {:+.3}]", one.mean, one.low, one.high)
                } else {
                    format!("{:.3} [{:.3}, {:.3}]", one.mean, one.low, one.high)
                }
            })
        };
        for side in &self.sides {
            let word = match side.against_baseline {
                Some(word) => word,
                None if side.is_baseline => "baseline",
                None => "",
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {word} |",
                cell(&side.label),
                numbers(side.score, false),
                numbers(side.difference, true)
            );
        }
        let _ = writeln!(text, "\n{} of {} examples", self.examples, self.of);
        text
    }
}

impl SideReport {
    fn of(
        side: &Side,
        baseline: Option<&Side>,
        arguments: &EvalArguments,
        confidence: f64,
    ) -> Self {
        let known: Vec<f64> = side.scores.iter().flatten().copied().collect();
        let pairs: Vec<(f64, f64)> = baseline.map_or_else(Vec::new, |baseline| {
            let pairs = baseline.scores.iter().zip(&side.scores);
            pairs.filter_map(|(left, right)| left.zip(*right)).collect()
        });
        let comparison = Comparison::of(&pairs, confidence);
        // Without a known range no test holds at every look; then all examples are run.
        let test = side.width.map(|width| {
            let mut test = Sequential::new(width, confidence);
            for (left, right) in &pairs {
                test.add(right - left);
            }
            test
        });
        let difference = test
            .as_ref()
            .and_then(Sequential::estimate)
            .or_else(|| comparison.as_ref().map(|found| found.difference));
        let shown = difference.map(|found| {
            if found.low > 0.0 {
                "better"
            } else if found.high < 0.0 {
                "worse"
            } else {
                "not shown to be better"
            }
        });
        let is_compared =
            baseline.is_none() || test.as_ref().is_some_and(|test| test.shows(0.0).is_some());
        let limit = arguments.fail_below;
        let limited = limit.map(|limit| Limited::of(&known, limit, side.width, confidence));
        let has_question = baseline.is_some() || limit.is_some();
        Self {
            label: side.label.clone(),
            run_id: side.run.as_ref().map(ToString::to_string),
            rollouts_executed: side.executed,
            is_baseline: side.is_baseline,
            score: mean_interval(&known, arguments.confidence),
            difference,
            won: comparison.as_ref().map_or(0, |found| found.won),
            lost: comparison.as_ref().map_or(0, |found| found.lost),
            p_better: comparison.as_ref().map(|found| found.p_better),
            against_baseline: shown,
            // A baseline is measured for the comparison; the limit is for the others.
            below_limit: limited
                .as_ref()
                .filter(|_| !side.is_baseline)
                .map(|one| one.is_below),
            is_decided: side.is_baseline
                || (has_question && is_compared && limited.is_none_or(|one| one.is_decided)),
        }
    }
}

/// A mean score against a limit.
struct Limited {
    is_below: bool,
    is_decided: bool,
}

impl Limited {
    fn of(scores: &[f64], limit: f64, width: Option<f64>, confidence: f64) -> Self {
        let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
        let decided = width.and_then(|width| {
            // A score differs from the limit by the width of the range at most.
            let mut test = Sequential::new(width, confidence);
            for score in scores {
                test.add(score - limit);
            }
            test.shows(0.0)
        });
        Self {
            is_below: match decided {
                Some(Direction::Below) => true,
                Some(Direction::Above) => false,
                None => mean < limit,
            },
            is_decided: decided.is_some(),
        }
    }
}
