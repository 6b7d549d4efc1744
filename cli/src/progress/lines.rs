//! One line for each event that matters to a person.

use std::fmt::Write as _;
use std::io::Write as _;

use gepa_engine::{CandidateAccepted, Decision, Event, EventBody, Fact, ValidationResult};

use super::Standing;
use super::view::View;
use crate::format::{count, duration, one_line, score};
use crate::output::err;

/// Longest text quoted from a failure.
const QUOTED: usize = 160;

#[derive(Default)]
pub(super) struct Lines {
    /// Whether a first reflection has been seen, at which it is known what it could read.
    has_reflected: bool,
}

impl View for Lines {
    fn trouble(&mut self, line: &str, standing: &Standing) {
        let at = duration(standing.seconds());
        let _ = writeln!(err(), "[{at:>9}] {line}");
    }

    fn events(&mut self, events: &[Event], standing: &Standing) {
        let mut text = String::new();
        for event in events {
            let at = duration(standing.seconds());
            if let Some(line) = line(&event.body, standing) {
                let _ = writeln!(text, "[{at:>9}] {line}");
            }
            let reflects = matches!(event.body, EventBody::Fact(Fact::ReflectionSettled(_)));
            if reflects
                && !std::mem::replace(&mut self.has_reflected, true)
                && let Some(warning) = standing.silence()
            {
                let _ = writeln!(text, "[{at:>9}] {warning}");
            }
            if standing.scale_warned_at == Some(event.seq)
                && let Some(warning) = standing.scale_warning()
            {
                let _ = writeln!(text, "[{at:>9}] {warning}");
            }
        }
        let _ = err().write_all(text.as_bytes());
    }
}

fn line(body: &EventBody, standing: &Standing) -> Option<String> {
    match body {
        EventBody::Decision(Decision::RunStarted(started)) => Some(format!(
            "began `{}`: {} train, {} pareto, {} validation examples",
            standing.name, started.train, started.pareto, started.validation
        )),
        EventBody::Fact(Fact::RunResumed(_)) => Some(format!(
            "resumed `{}` after {} rollouts",
            standing.name,
            count(standing.counters().total_rollouts)
        )),
        EventBody::Fact(Fact::SettingsChanged(_)) => Some(format!(
            "branches off: {} rollouts and {} reflections are known",
            count(standing.counters().recalled_rollouts),
            count(standing.counters().recalled_reflections)
        )),
        EventBody::Fact(Fact::LimitsChanged(_)) => Some("goes on under other limits".to_owned()),
        EventBody::Decision(Decision::CandidateAccepted(accepted)) => Some(acceptance(accepted)),
        EventBody::Decision(Decision::StopDecided(stop)) => {
            Some(format!("search ends, {}", stop.reason))
        }
        EventBody::Decision(Decision::RunFinished(finished)) if !finished.validation.is_empty() => {
            let results: Vec<String> = finished.validation.iter().map(validation).collect();
            Some(format!("validation: {}", results.join(", ")))
        }
        EventBody::Fact(Fact::RolloutSettled(rollout))
            if standing.counters().total_rollouts == 1 && rollout.outcome.scored().is_some() =>
        {
            let taken = rollout.finished_at.seconds_since(rollout.started_at);
            let scored = rollout.outcome.scored()?;
            Some(format!(
                "the first rollout works: example {} scores {} in {}",
                one_line(&rollout.example.to_string(), QUOTED),
                score(scored.score),
                duration(taken)
            ))
        }
        EventBody::Fact(Fact::RolloutSettled(rollout)) if rollout.outcome.scored().is_none() => {
            let failed = standing.counters().failed_rollouts;
            let message = standing.last_failure.as_deref()?;
            // Shows a failure only when the number of failures is a power of two.
            failed.is_power_of_two().then(|| {
                format!(
                    "{failed} of {} rollouts failed so far, the last with {}",
                    standing.counters().total_rollouts,
                    one_line(message, QUOTED)
                )
            })
        }
        EventBody::Fact(Fact::ReflectionSettled(settled)) => {
            let failure = settled.failure.as_ref()?;
            let refused = standing.summary.endings.as_ref()?.replies_refused();
            // As with rollouts, a line for the first, the second, the fourth and so on.
            refused.is_power_of_two().then(|| {
                format!(
                    "{refused} replies of the reflection model refused so far, the last ({}): {}",
                    failure.kind.as_str(),
                    one_line(&failure.message, QUOTED)
                )
            })
        }
        EventBody::Fact(Fact::RunInterrupted(interrupted)) => {
            Some(format!("interrupted: {}", interrupted.reason))
        }
        EventBody::Fact(Fact::RunPaused(_)) => Some("paused".to_owned()),
        EventBody::Fact(Fact::RunContinued(_)) => Some("goes on after the pause".to_owned()),
        EventBody::Fact(Fact::RunAbandoned(abandoned)) => {
            Some(format!("abandoned: {}", abandoned.reason))
        }
        _ => None,
    }
}

fn validation(result: &ValidationResult) -> String {
    let whose = match result.rank {
        None => "baseline".to_owned(),
        Some(_) => format!("candidate {}", result.candidate),
    };
    match result.mean_score {
        Some(mean) => format!("{whose} {}", score(mean)),
        None => format!("{whose} without a score, as every rollout failed"),
    }
}

fn acceptance(accepted: &CandidateAccepted) -> String {
    let mean = score(accepted.mean_score);
    if accepted.index.0 == 0 {
        let whole = accepted.scores.len() as u32;
        let examples = accepted.length.unwrap_or(whole);
        let failed = failed(accepted);
        return format!("the seed scores {mean} on {examples} pareto examples{failed}");
    }
    let parents: Vec<String> = accepted.parents.iter().map(ToString::to_string).collect();
    let standing = if accepted.best {
        "the best so far"
    } else {
        "accepted"
    };
    let mean = match (accepted.length, accepted.estimate) {
        (Some(length), Some(estimate)) => format!(
            "{mean} on {length} pareto examples, estimated {} ± {}",
            score(estimate.mean),
            score(estimate.sd())
        ),
        _ => mean,
    };
    format!(
        "candidate {} ({} of {}): {mean}{}, {standing}; front {}, {} rollouts",
        accepted.index,
        accepted.origin.as_str(),
        if parents.is_empty() {
            "nothing".to_owned()
        } else {
            parents.join(" and ")
        },
        failed(accepted),
        accepted.front.len(),
        count(accepted.committed_rollouts)
    )
}

/// The number of failures among the scores of a candidate, if there are any.
fn failed(accepted: &CandidateAccepted) -> String {
    let known = accepted.scores.iter().flatten().count();
    let whole = accepted.scores.len();
    let run = accepted.length.map_or(whole, |length| length as usize);
    match run.saturating_sub(known) {
        0 => String::new(),
        failed => format!(" ({failed} without a score)"),
    }
}
