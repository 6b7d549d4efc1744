//! The reflection model: reads the sheet and the failures in its prompt and writes rules, with the
//! repetitions and losses of a language model.

use std::collections::BTreeSet;

use super::sheet::{self, Rule};
use super::task::{TextItem, TextTask};
use crate::draws::Key;

/// It draws what it drew before from the same parent and the same text.
const REPEAT: f64 = 0.7;
/// It rewrites from scratch.
const FROM_SCRATCH: f64 = 0.2;
const LOST_FROM_SCRATCH: f64 = 0.3;
const LOST: f64 = 0.03;
/// It makes a rule of the word that it believes to matter.
const INSIGHT: f64 = 0.55;
/// It makes a rule of any word.
const GUESS: f64 = 0.15;
/// It drops a rule that voted for the wrong label.
const BLAME: f64 = 0.3;
/// How much it trusts its beliefs.
const TRUST: f64 = 1.5;

const WRONG: &str = "Wrong for ";
const REPLIED: &str = ": the reply was ";
const EXPECTED: &str = ", the right label is ";

/// A failure as the prompt shows it.
struct Failure<'a> {
    id: &'a str,
    replied: &'a str,
    expected: &'a str,
}

/// The feedback on a wrong reply.
pub(super) fn feedback(id: &str, replied: &str, expected: &str) -> String {
    format!("{WRONG}{id}{REPLIED}{replied}{EXPECTED}{expected}.")
}

/// The reply to a reflection prompt. `sample` counts earlier replies to the same prompt, `wanted` is
/// the number of texts that it requests.
pub(super) fn rewrite(task: &TextTask, prompt: &str, sample: u64, wanted: u64) -> String {
    let old = sheet::rules_in(prompt);
    let failures: Vec<Failure<'_>> = prompt.lines().filter_map(failure_in).collect();
    let rules = old.iter();
    let parent = rules.fold(task.key, |key, (feature, label)| {
        key.and(Key::of_text(feature)).and(Key::of_text(label))
    });
    let shown = failures.iter();
    let fresh = shown.fold(parent.with(1), |key, one| key.and(Key::of_text(one.id)));
    let texts = (0..wanted.max(1)).map(|text| {
        let fresh = fresh.with(sample).with(text);
        let repeats = text == 0 && fresh.with(1).happens(REPEAT);
        let place = if repeats { parent.with(2) } else { fresh };
        let rules = rewritten(task, &old, &failures, place);
        format!("```\n{}\n```", sheet::written(&rules))
    });
    texts.collect::<Vec<String>>().join("\n\n")
}

fn failure_in(line: &str) -> Option<Failure<'_>> {
    let (id, rest) = line.trim().strip_prefix(WRONG)?.split_once(REPLIED)?;
    let (replied, expected) = rest.split_once(EXPECTED)?;
    let expected = expected.strip_suffix('.')?;
    Some(Failure {
        id,
        replied,
        expected,
    })
}

fn rewritten(
    task: &TextTask,
    old: &BTreeSet<Rule>,
    failures: &[Failure<'_>],
    place: Key,
) -> BTreeSet<Rule> {
    let from_scratch = place.with(10).happens(FROM_SCRATCH);
    let lost = if from_scratch {
        LOST_FROM_SCRATCH
    } else {
        LOST
    };
    let kept = old.iter().filter(|(feature, label)| {
        let rule = Key::of_text(feature).and(Key::of_text(label));
        !place.with(11).and(rule).happens(lost)
    });
    let mut rules: BTreeSet<Rule> = kept.cloned().collect();
    for failure in failures {
        let Some(item) = task.item(failure.id) else {
            continue;
        };
        let place = place.with(12).and(Key::of_text(failure.id));
        let draw = place.with(1).unit();
        let feature = if draw < INSIGHT {
            telling(task, item, failure.expected, place.with(2))
        } else if draw < INSIGHT + GUESS {
            let all: Vec<&str> = item.features.iter().map(String::as_str).collect();
            place.with(3).chosen(&all)
        } else {
            None
        };
        if let Some(feature) = feature {
            rules.insert((feature.to_owned(), failure.expected.to_owned()));
        }
        if place.with(4).happens(BLAME) {
            let guilty: Vec<Rule> = rules
                .iter()
                .filter(|(feature, label)| {
                    label == failure.replied && item.features.contains(feature)
                })
                .cloned()
                .collect();
            let at = place.with(5).below(guilty.len());
            if let Some(rule) = guilty.get(at) {
                rules.remove(rule);
            }
        }
    }
    rules
}

/// A feature of a text, the likelier the more it is believed to speak for the label.
fn telling<'i>(task: &TextTask, item: &'i TextItem, label: &str, place: Key) -> Option<&'i str> {
    let label = task.labels.binary_search_by(|one| one.as_str().cmp(label));
    let label = label.ok()?;
    let beliefs = item.features.iter().map(|feature| {
        let weight = (TRUST * task.belief.speaks_for(feature, label)).exp();
        (feature.as_str(), weight)
    });
    let beliefs: Vec<(&str, f64)> = beliefs.collect();
    let total: f64 = beliefs.iter().map(|(_, weight)| weight).sum();
    let mut left = place.unit() * total;
    let chosen = beliefs.iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    chosen.map(|(feature, _)| *feature)
}
