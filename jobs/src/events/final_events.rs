//! The last events of a job: its full result, and at the end the event that says it has ended.

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, RunStatus, RunSummary};
use gepa_engine::{RunId, StopReason, UsageShare};
use gepa_evaluation::{ExampleId, PromptTemplate, Purpose, Section};
use serde_json::{Value, json};

use super::candidates::{Candidates, full_text, length, object, prompt};
use super::envelope::{Draft, Level, present};
use super::minibatches::Minibatches;

/// Most archive members listed as optimized in `final.results`, best first. The attempted
/// candidates are listed in full.
const MOST_OPTIMIZED: usize = 200;

/// The data of the last events.
pub(super) struct FinalEvents<'a> {
    pub(super) job: &'a RunId,
    pub(super) template: &'a PromptTemplate,
    pub(super) pareto: &'a [ExampleId],
    pub(super) validation: &'a [ExampleId],
    pub(super) minibatches: &'a Minibatches,
    pub(super) summary: &'a RunSummary,
    pub(super) candidates: &'a Candidates,
    pub(super) reason: &'a StopReason,
}

impl FinalEvents<'_> {
    pub(super) fn drafts(&self) -> Vec<Draft> {
        let mut drafts = self.validation_scored();
        drafts.extend(self.validation_summary());
        if self.summary.status == RunStatus::Succeeded {
            drafts.extend(self.top_prompts());
            drafts.extend(self.best_prompt());
        }
        drafts.push(self.final_results());
        drafts.push(self.results_summary());
        if self.summary.status == RunStatus::Succeeded {
            drafts.push(self.completed());
        }
        drafts.push(self.billing());
        drafts.push(self.last());
        drafts
    }

    /// The candidates in the order of clients' ranks: first the seed if it is the best, then the
    /// validated candidates, best pareto score first.
    fn ranked(&self) -> Vec<&CandidateRow> {
        let best = self.summary.best.filter(|best| *best == CandidateIndex(0));
        let validated = self.summary.validation.iter();
        let ranked = validated.filter(|result| result.rank.is_some());
        let indices = best
            .into_iter()
            .chain(ranked.map(|result| result.candidate));
        let mut rows: Vec<&CandidateRow> = indices
            .filter_map(|index| self.candidates.member(index))
            .collect();
        if rows.is_empty() {
            rows.extend(self.best());
        }
        rows
    }

    fn best(&self) -> Option<&CandidateRow> {
        self.candidates.member(self.summary.best?)
    }

    fn sections(&self, row: &CandidateRow) -> Vec<Section> {
        self.template.sections(&row.components)
    }

    fn validation_scored(&self) -> Vec<Draft> {
        let ranked = self.ranked();
        let rank_of = |index| ranked.iter().position(|row| row.index == Some(index));
        let results = self.summary.validation.iter();
        let scored = results.filter_map(|result| {
            let accuracy = result.mean_score?;
            let is_baseline = result.rank.is_none();
            let whose = if is_baseline {
                "baseline".to_owned()
            } else {
                format!("candidate {}", result.candidate)
            };
            // Clients would read a baseline of rank 0 as the best score.
            let rank = rank_of(result.candidate).filter(|_| !is_baseline);
            let data = json!({
                "rank": rank.map(|rank| rank + 1),
                "accuracy": accuracy,
                "instance_scores": result.scores,
                "is_baseline": is_baseline,
                "candidate_id": self.candidates.member(result.candidate).map(|r| r.candidate_id),
            });
            let message = format!("Validation of {whose}: {accuracy:.4}");
            Some(Draft::new(
                "prompt.learning.validation.scored",
                message,
                data,
            ))
        });
        scored.collect()
    }

    fn validation_summary(&self) -> Option<Draft> {
        let baseline = self.summary.validation.first()?;
        let seeds = self.validation;
        let results: Vec<Value> = self
            .ranked()
            .into_iter()
            .zip(1_u32..)
            .filter_map(|(row, rank)| {
                let accuracy = row.validation_score?;
                Some(json!({
                    "rank": rank,
                    "accuracy": accuracy,
                    "seeds": seeds,
                    "candidate_id": row.candidate_id,
                }))
            })
            .collect();
        let baseline = present(json!({"accuracy": baseline.mean_score, "seeds": seeds}));
        let message = format!("Validation of {} candidates", results.len());
        let data = json!({"baseline": baseline, "results": results});
        Some(Draft::new(
            "prompt.learning.validation.summary",
            message,
            data,
        ))
    }

    fn top_prompts(&self) -> Vec<Draft> {
        let ranked = self.ranked().into_iter().zip(1_u32..);
        let top = ranked.map(|(row, rank)| {
            let sections = self.sections(row);
            let data = json!({
                "rank": rank,
                "candidate_id": row.candidate_id,
                "train_accuracy": row.mean_score,
                "val_accuracy": row.validation_score,
                "template": {"sections": sections, "prompt_sections": sections},
                "full_text": full_text(&sections),
            });
            let message = format!("Prompt of rank {rank}");
            Draft::new("prompt.learning.top.prompt.content", message, data)
        });
        top.collect()
    }

    fn best_prompt(&self) -> Option<Draft> {
        let row = self.best()?;
        let score = row.mean_score?;
        let data = json!({
            "best_score": score,
            "best_validation_score": row.validation_score,
            "best_prompt": prompt(self.job, self.template, row),
        });
        let message = format!("Best prompt: {score:.4}");
        Some(Draft::new("prompt.learning.best.prompt", message, data))
    }

    fn final_results(&self) -> Draft {
        let seed = self.candidates.seed_sections(self.template);
        let attempted: Vec<Value> = self
            .candidates
            .all()
            .map(|row| self.attempted(row, &seed))
            .collect();
        let ranked = self.candidates.ranked();
        let optimized: Vec<Value> = ranked
            .into_iter()
            .take(MOST_OPTIMIZED)
            .zip(1_usize..)
            .map(|(row, rank)| self.optimized(row, rank, &seed))
            .collect();
        let validation: Vec<Value> = self
            .ranked()
            .into_iter()
            .zip(1_u32..)
            .filter_map(|(row, rank)| {
                let accuracy = row.validation_score?;
                Some(json!({"rank": rank, "accuracy": accuracy}))
            })
            .collect();
        let message = format!(
            "Results: {} candidates attempted, {} in the archive",
            attempted.len(),
            optimized.len()
        );
        let data = json!({
            "attempted_candidates": attempted,
            "optimized_candidates": optimized,
            "best_score": self.summary.best_score,
            "best_prompt": self.best().map(|row| prompt(self.job, self.template, row)),
            "validation": validation,
        });
        Draft::new("prompt.learning.final.results", message, data)
    }

    /// One attempted candidate. Without a score it has no accuracy, instead of accuracy 0. Its
    /// `instance_scores` are those on the pareto set; a candidate that its gate rejected was run on
    /// its minibatch only and has the scores on that. `seeds` names the examples.
    fn attempted(&self, row: &CandidateRow, seed: &[Section]) -> Value {
        let sections = self.sections(row);
        let gate = self.minibatches.of(row.iteration);
        let (instances, scores, seeds) = match (&row.scores, gate) {
            (Some(scores), _) => (Some("pareto"), Some(scores), Some(self.pareto)),
            (None, Some(gate)) => (Some("minibatch"), Some(&gate.scores), Some(&gate.seeds[..])),
            (None, None) => (None, None, None),
        };
        present(json!({
            "candidate_id": row.candidate_id,
            "iteration": row.iteration,
            "status": row.status.as_str(),
            "close_reason": row.close_reason,
            "accuracy": row.score(),
            "instance_scores": scores,
            "instances": instances,
            "seeds": seeds,
            "prompt_length": length(&sections),
            "object": object(&sections, seed),
        }))
    }

    fn optimized(&self, row: &CandidateRow, rank: usize, seed: &[Section]) -> Value {
        let sections = self.sections(row);
        json!({
            "rank": rank,
            "candidate_id": row.candidate_id,
            "score": {
                "accuracy": row.mean_score,
                "prompt_length": length(&sections),
                "instance_scores": row.scores,
            },
            "payload_kind": "template",
            "object": object(&sections, seed),
            "instance_scores": row.scores,
            "template": {"sections": sections, "prompt_sections": sections},
        })
    }

    fn results_summary(&self) -> Draft {
        let summary = self.summary;
        let tried = summary.counters.trials_tried;
        let best = summary
            .best_score
            .map_or_else(|| "none".to_owned(), |score| format!("{score:.4}"));
        let frontier = summary.front_size;
        Draft::new(
            "prompt.learning.results.summary",
            format!("Results: best_score={best} tried={tried} frontier={frontier}"),
            json!({
                "best_score": summary.best_score,
                "baseline_score": summary.baseline_score,
                "tried": tried,
                "frontier": frontier,
            }),
        )
    }

    fn completed(&self) -> Draft {
        let counters = &self.summary.counters;
        let seconds = self.summary.active_seconds;
        let minutes = (seconds / 60.0).max(f64::MIN_POSITIVE);
        let per_minute = |count: u64| (count as f64 / minutes).min(1e12);
        let mut data = json!({
            "usd_tokens_rollouts": dollars(&counters.usage, &[Purpose::Rollout, Purpose::Judge]),
            "usd_tokens_mutation": dollars(&counters.usage, &[Purpose::Reflection]),
            "total_cost_usd": counters.total_cost_usd(),
            "elapsed_seconds": seconds,
            "rollouts_per_minute": per_minute(counters.total_rollouts),
            "tokens_per_minute": per_minute(counters.total_tokens),
            "finish_reason": self.reason.as_str(),
            "finish_detail": self.reason.to_string(),
            "best_score": self.summary.best_score,
            "best_validation_score": self.summary.best_validation_score,
        });
        if let (Some(data), Value::Object(counters)) = (data.as_object_mut(), json!(counters)) {
            data.extend(counters);
        }
        let message = format!("Completed: {}", self.reason);
        Draft::new("prompt.learning.completed", message, data)
    }

    fn billing(&self) -> Draft {
        let counters = &self.summary.counters;
        let (dollars, unpriced) = (counters.total_cost_usd(), counters.unpriced_calls);
        let cost = match unpriced {
            0 => format!("${dollars:.4}"),
            _ if dollars == 0.0 => "unknown".to_owned(),
            _ => format!("at least ${dollars:.4}"),
        };
        let seconds = self.summary.active_seconds;
        Draft::new(
            "prompt.learning.billing.end",
            format!("Cost: {cost} in {seconds:.0} s"),
            json!({
                "seconds": seconds,
                "total_usd": dollars,
                "tokens_usd": dollars,
                "unpriced_calls": unpriced,
            }),
        )
    }

    fn last(&self) -> Draft {
        let reason = self.reason.to_string();
        match self.summary.status {
            RunStatus::Succeeded => Draft::new(
                "prompt.learning.gepa.complete",
                "GEPA complete",
                json!({
                    "best_score": self.summary.best_score,
                    "best_validation_score": self.summary.best_validation_score,
                    "baseline_score": self.summary.baseline_score,
                }),
            ),
            RunStatus::Cancelled => Draft::new(
                "prompt.learning.cancelled",
                "Cancelled",
                json!({"detail": reason}),
            )
            .at_level(Level::Warning),
            _ => Draft::new(
                "prompt.learning.failed",
                format!("Failed: {reason}"),
                json!({"error": reason, "detail": reason, "finish_reason": self.reason.as_str()}),
            )
            .at_level(Level::Error),
        }
    }
}

fn dollars(usage: &[UsageShare], purposes: &[Purpose]) -> f64 {
    let shares = usage
        .iter()
        .filter(|share| purposes.contains(&share.purpose));
    shares.map(|share| share.usage.cost.dollars()).sum()
}
