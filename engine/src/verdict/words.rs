//! The words of a verdict.

use gepa_statistics::{Comparison, Method, TwoWay};

use super::cause::Cause;
use super::evidence::Evidence;
use super::statement::{Verdict, VerdictKind, WithExcluded};
use super::tables::ComparedSet;

/// The verdict in one sentence, without a full stop.
pub(super) fn sentence(verdict: &Verdict) -> String {
    let word = verdict.verdict.as_str();
    match (verdict.verdict, &verdict.evidence) {
        (VerdictKind::Pending, _) => format!("{word}: the run is not over"),
        (VerdictKind::NothingLearned, _) => match verdict.causes.first() {
            Some(cause) => format!("{word}, because {cause}"),
            None => format!("{word}: no candidate scored higher than the seed"),
        },
        (_, None) => format!("{word}: the best candidate and the seed have no scores in common"),
        (VerdictKind::NotShown, Some(found)) => {
            let more = verdict
                .further_examples
                .map_or_else(String::new, |count| format!("; {}", further(count)));
            format!("{word}: {}{more}", compared(found))
        }
        (_, Some(found)) => format!("{word}: {}", compared(found)),
    }
}

/// How many examples would make the difference a sure one.
pub(super) fn further(count: u64) -> String {
    let noun = if count == 1 { "example" } else { "examples" };
    format!("about {count} more {noun} would decide if the difference stays")
}

/// The difference, its interval and on what it was found.
pub(super) fn compared(found: &Evidence) -> String {
    let comparison = &found.comparison;
    let difference = &comparison.difference;
    let set = match found.set {
        ComparedSet::Validation => "held-out examples",
        ComparedSet::Pareto => "pareto examples, on which it was chosen",
    };
    format!(
        "the best candidate scores {:+.3} [{:+.3}, {:+.3}] against the seed on {} {set}",
        difference.mean, difference.low, difference.high, comparison.examples
    )
}

/// What else is known, one fact a line.
pub(super) fn details(verdict: &Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(found) = &verdict.evidence {
        lines.push(probability(&found.comparison));
        lines.push(resolution(&found.comparison));
        lines.extend(corrections(found));
    }
    lines.extend(verdict.with_excluded.as_ref().map(excluded));
    let is_a_cause = |cause: &Cause| matches!(cause, Cause::NothingDiffers { .. });
    let is_said =
        |spread: &TwoWay| spread.shows_no_difference() && verdict.causes.iter().any(is_a_cause);
    if let Some(spread) = verdict.spread.as_ref().filter(|spread| !is_said(spread)) {
        lines.push(if spread.shows_no_difference() {
            format!(
                "the {} candidates on the pareto set do not differ beyond noise (residual variance {:.3})",
                spread.candidates, spread.residual
            )
        } else {
            format!(
                "the {} candidates on the pareto set differ by {:.3} (standard deviation beyond noise; residual \
                 variance {:.3})",
                spread.candidates,
                spread.between.sqrt(),
                spread.residual
            )
        });
    }
    if let (Some(score), true) = (&verdict.pareto_score, verdict.evidence.is_some()) {
        lines.push(format!(
            "it was chosen among {} for its pareto score of {:.3}; without that luck {:.3} is to be expected there",
            score.among, score.observed, score.expected
        ));
    }
    if let (Some(gap), true) = (&verdict.generalisation_gap, verdict.evidence.is_some()) {
        lines.push(format!(
            "it scores {:+.3} [{:+.3}, {:+.3}] on the pareto set against held-out examples",
            gap.mean, gap.low, gap.high
        ));
    }
    let skipped = usize::from(verdict.verdict == VerdictKind::NothingLearned);
    for cause in verdict.causes.iter().skip(skipped) {
        lines.push(format!("possible cause: {cause}"));
    }
    lines
}

fn excluded(with: &WithExcluded) -> String {
    let examples = with.examples;
    let plural = if examples == 1 { "example" } else { "examples" };
    let shown = with.evidence.as_ref().map_or_else(String::new, |found| {
        let difference = &found.comparison.difference;
        format!(
            ", {:+.3} [{:+.3}, {:+.3}]",
            difference.mean, difference.low, difference.high
        )
    });
    format!(
        "without {examples} {plural} that people excluded; with them it would be: {}{shown}",
        with.verdict.as_str()
    )
}

fn probability(comparison: &Comparison) -> String {
    let share = match comparison.p_better {
        p if p > 0.999 => "above 0.999".to_owned(),
        p if p < 0.001 => "below 0.001".to_owned(),
        p => format!("{p:.3}"),
    };
    format!(
        "probability that it is better than the seed: {share}; {} examples won, {} lost, of {}",
        comparison.won, comparison.lost, comparison.examples
    )
}

fn resolution(comparison: &Comparison) -> String {
    format!(
        "these examples resolve a difference of {:.3} (2 standard errors), and show one of {:.3} in 80 of 100 cases",
        comparison.resolvable, comparison.detectable
    )
}

fn corrections(found: &Evidence) -> Option<String> {
    let selection = found.corrected_for;
    let mut parts = Vec::new();
    if selection.candidates > 1 {
        parts.push(format!(
            "the choice among {} candidates",
            selection.candidates
        ));
    }
    if selection.looks > 1 {
        parts.push(format!("{} final scorings", selection.looks));
    }
    if found.comparison.difference.method == Method::Sequential {
        parts.push("a row that ended early".to_owned());
    }
    if found.failures > 0 {
        parts.push(format!(
            "{} failures, which count as the lowest score",
            found.failures
        ));
    }
    (!parts.is_empty()).then(|| format!("the interval allows for {}", parts.join(", ")))
}
