//! Writes rules in a form that people and the grammar can read.

use std::fmt::Write as _;

use super::sheet::{Decision, Rule, Sheet};

pub(super) const SCORECARD: &str = "Scorecard, starting from 0 points:";
pub(super) const WATCHED: &str = "Seen, but not decisive so far:";
pub(super) const REVIEWED: &str = "Right answers in the cases reviewed so far: ";

/// The prompt: the prose first, then the rules.
pub(super) fn write_prompt(prose: &str, sheet: &Sheet) -> String {
    let mut text = collapsed(prose);
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    for rule in &sheet.direct {
        push_line(
            &mut text,
            &format!("- If {}, answer `{}`.", rule.condition, rule.answer),
        );
    }
    if !sheet.direct.is_empty() {
        text.push('\n');
    }
    write_group(&mut text, SCORECARD, sheet, |rule| rule.points != 0);
    if let Some(decision) = &sheet.decision {
        push_line(&mut text, &decision_sentence(decision));
        text.push('\n');
    }
    write_group(&mut text, WATCHED, sheet, |rule| rule.points == 0);
    if !sheet.reviewed.is_empty() {
        let counts: Vec<String> = sheet
            .reviewed
            .iter()
            .map(|(label, count)| format!("`{label}` {count}"))
            .collect();
        push_line(&mut text, &format!("{REVIEWED}{}.", counts.join(", ")));
    }
    text.trim_end().to_owned()
}

fn write_group(text: &mut String, heading: &str, sheet: &Sheet, chosen: impl Fn(&Rule) -> bool) {
    let mut is_open = false;
    for rule in sheet.rules.iter().filter(|rule| chosen(rule)) {
        if !is_open {
            push_line(text, heading);
            is_open = true;
        }
        push_line(text, &rule_sentence(rule));
    }
    if is_open {
        text.push('\n');
    }
}

/// One rule as a line.
pub(super) fn rule_sentence(rule: &Rule) -> String {
    let evidence = rule.evidence.as_ref().map_or(String::new(), |evidence| {
        let noun = if evidence.cases == 1 { "case" } else { "cases" };
        format!(
            " (`{}` in {} of {} {noun})",
            evidence.label, evidence.right, evidence.cases
        )
    });
    let condition = &rule.condition;
    if rule.points == 0 {
        return format!("- {condition}{evidence}.");
    }
    let (verb, preposition) = if rule.points > 0 {
        ("Add", "to")
    } else {
        ("Subtract", "from")
    };
    let amount = rule.points.unsigned_abs();
    let noun = if amount == 1 { "point" } else { "points" };
    let target = rule
        .label
        .as_ref()
        .map_or(String::new(), |label| format!(" {preposition} `{label}`"));
    format!("- {verb} {amount} {noun}{target} if {condition}{evidence}.")
}

fn decision_sentence(decision: &Decision) -> String {
    match decision {
        Decision::Threshold {
            positive,
            at,
            otherwise,
        } => format!(
            "Answer `{positive}` when the points reach {at}, otherwise answer `{otherwise}`."
        ),
        Decision::MostPoints { otherwise } => {
            format!("Answer the label with the most points, or `{otherwise}` if none has any.")
        }
    }
}

fn push_line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// The prose without the blank lines that removed rules leave.
fn collapsed(prose: &str) -> String {
    let mut text = String::new();
    let mut blank = false;
    for line in prose.trim().lines() {
        let is_blank = line.trim().is_empty();
        if !(is_blank && blank) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        blank = is_blank;
    }
    text.trim_end().to_owned()
}
