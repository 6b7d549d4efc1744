//! Reads the rules in a prompt. All other lines are kept as prose.

use indexmap::IndexMap;

use super::condition::{Condition, split_at_phrase, strip_prefix_ignoring_case, unquoted};
use super::sheet::{Decision, DirectRule, Evidence, Rule, Sheet};
use super::writing::{REVIEWED, SCORECARD, WATCHED};

/// A prompt, divided into rules and prose.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadPrompt {
    pub(super) sheet: Sheet,
    /// The lines that are not rules, unchanged.
    pub(super) prose: String,
}

enum Line {
    Direct(DirectRule),
    Points(Rule),
    Decide(Decision),
    Reviewed(IndexMap<String, u32>),
    Heading,
    Prose,
}

/// Reads a whole prompt.
pub(super) fn read_prompt(text: &str) -> ReadPrompt {
    let mut read = ReadPrompt::default();
    for line in text.lines() {
        match read_line(line) {
            Line::Direct(rule) => read.sheet.direct.push(rule),
            Line::Points(rule) => read.sheet.rules.push(rule),
            Line::Decide(decision) => read.sheet.decision = Some(decision),
            Line::Reviewed(counts) => read.sheet.reviewed = counts,
            Line::Heading => {}
            Line::Prose => {
                read.prose.push_str(line);
                read.prose.push('\n');
            }
        }
    }
    read
}

/// The labels that a text names in backticks, or, if there are none, in quotes or as `x or y`.
pub(super) fn labels_named(text: &str) -> Vec<String> {
    for quote in ['`', '"', '\''] {
        let quoted = distinct(
            text.split(quote)
                .skip(1)
                .step_by(2)
                .filter(|part| is_label(part)),
        );
        if !quoted.is_empty() {
            return quoted;
        }
    }
    let plain = |character: char| !character.is_alphanumeric() && character != '_';
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| word.trim_matches(plain))
        .collect();
    let alternatives = words
        .windows(3)
        .filter(|window| window[1].eq_ignore_ascii_case("or"))
        .flat_map(|window| [window[0], window[2]]);
    distinct(alternatives.filter(|word| is_label(word)))
}

fn read_line(line: &str) -> Line {
    let trimmed = line.trim();
    if [SCORECARD, WATCHED].contains(&trimmed) {
        return Line::Heading;
    }
    if let Some(counts) = strip_prefix_ignoring_case(trimmed, REVIEWED).and_then(read_counts) {
        return Line::Reviewed(counts);
    }
    let content = without_bullet(trimmed);
    let (sentence, evidence) = split_evidence(content);
    let statement = sentence.trim().trim_end_matches('.').trim_end();
    if let Some(decision) = read_decision(statement) {
        return Line::Decide(decision);
    }
    if let Some(rule) = read_points(statement, evidence.clone()) {
        return Line::Points(rule);
    }
    if let Some(rule) = read_direct(statement) {
        return Line::Direct(rule);
    }
    evidence
        .and_then(|counted| read_watched(statement, counted))
        .map_or(Line::Prose, Line::Points)
}

/// Reads a condition with counts and without points.
fn read_watched(statement: &str, evidence: Evidence) -> Option<Rule> {
    Some(Rule {
        condition: Condition::parse(statement)?,
        points: 0,
        label: None,
        evidence: Some(evidence),
    })
}

fn without_bullet(line: &str) -> &str {
    let unbulleted = line.trim_start_matches(['-', '*', '•']).trim_start();
    let digits = unbulleted.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() == unbulleted.len() {
        return unbulleted;
    }
    digits
        .strip_prefix(". ")
        .or_else(|| digits.strip_prefix(") "))
        .map_or(unbulleted, str::trim_start)
}

/// Splits off `` (`label` in 3 of 4 cases)``.
fn split_evidence(content: &str) -> (&str, Option<Evidence>) {
    let parsed = || {
        let start = content.rfind(" (")?;
        let inside = content[start + 2..]
            .trim_end_matches('.')
            .strip_suffix(')')?;
        let (label, counts) = inside.rsplit_once(" in ")?;
        let counts = counts
            .strip_suffix(" cases")
            .or_else(|| counts.strip_suffix(" case"))?;
        let (right, cases) = counts.split_once(" of ")?;
        let evidence = Evidence {
            label: unquoted(label).to_owned(),
            right: right.trim().parse().ok()?,
            cases: cases.trim().parse().ok()?,
        };
        (evidence.right <= evidence.cases).then_some((&content[..start], evidence))
    };
    match parsed() {
        Some((sentence, evidence)) => (sentence, Some(evidence)),
        None => (content, None),
    }
}

/// `` Answer `a` when the points reach 3, otherwise answer `b` `` and
/// `` Answer the label with the most points, or `b` if none has any ``.
fn read_decision(statement: &str) -> Option<Decision> {
    let rest = strip_prefix_ignoring_case(statement, "answer ")?;
    if let Some(after) = strip_prefix_ignoring_case(rest, "the label with the most points") {
        let otherwise = after.split('`').nth(1)?;
        return Some(Decision::MostPoints {
            otherwise: otherwise.to_owned(),
        });
    }
    let (positive, after) = split_at_phrase(rest, " when the points reach ")
        .or_else(|| split_at_phrase(rest, " if the points reach "))?;
    let (at, otherwise) = split_at_phrase(&after, ", otherwise answer ")
        .or_else(|| split_at_phrase(&after, ", otherwise "))?;
    Some(Decision::Threshold {
        positive: unquoted(&positive).to_owned(),
        at: at.parse().ok()?,
        otherwise: unquoted(&otherwise).to_owned(),
    })
}

/// `` Add 2 points to `a` if .. ``, `Subtract 1 point if ..`, `If .., add 2 points`.
fn read_points(statement: &str, evidence: Option<Evidence>) -> Option<Rule> {
    let (award, condition) = if let Some(rest) = strip_prefix_ignoring_case(statement, "if ") {
        let (condition, award) = rest.rsplit_once(", ")?;
        (award.to_owned(), condition.to_owned())
    } else if is_award(statement) {
        split_at_phrase(statement, " if ")?
    } else {
        return None;
    };
    let (sign, amount) = match strip_prefix_ignoring_case(&award, "add ") {
        Some(amount) => (1, amount),
        None => (-1, strip_prefix_ignoring_case(&award, "subtract ")?),
    };
    let (number, rest) = amount.split_once(' ')?;
    let points: i32 = number
        .parse()
        .ok()
        .filter(|points| (0..=1000).contains(points))?;
    let target = rest
        .strip_prefix("points")
        .or_else(|| rest.strip_prefix("point"))?
        .trim();
    let label = ["to ", "for ", "from "]
        .iter()
        .find_map(|word| target.strip_prefix(word))
        .map(|label| unquoted(label).to_owned());
    if label.is_none() && !target.is_empty() {
        return None;
    }
    Some(Rule {
        condition: Condition::parse(&condition)?,
        points: sign * points,
        label,
        evidence,
    })
}

fn is_award(statement: &str) -> bool {
    ["add ", "subtract "]
        .iter()
        .any(|verb| strip_prefix_ignoring_case(statement, verb).is_some())
}

/// `` If .., answer `a` ``.
fn read_direct(statement: &str) -> Option<DirectRule> {
    let rest = strip_prefix_ignoring_case(statement, "if ")?;
    let (condition, answer) = split_at_phrase(rest, ", answer ")?;
    let answer = unquoted(&answer).to_owned();
    if !is_label(&answer) {
        return None;
    }
    Some(DirectRule {
        condition: Condition::parse(&condition)?,
        answer,
    })
}

/// `` `a` 12, `b` 7. ``
fn read_counts(text: &str) -> Option<IndexMap<String, u32>> {
    text.trim()
        .trim_end_matches('.')
        .split(", ")
        .map(|part| {
            let (label, count) = part.rsplit_once(' ')?;
            Some((unquoted(label).to_owned(), count.parse().ok()?))
        })
        .collect()
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 60
        && text.split_whitespace().count() <= 5
        && text.trim() == text
        && !text.contains(['{', '}', '\n'])
}

fn distinct<'t>(parts: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in parts {
        if !found.iter().any(|known| known == part) {
            found.push(part.to_owned());
        }
    }
    found
}
