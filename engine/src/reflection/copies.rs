//! Words of the examples shown to a proposer that a new text copies. Such a text scores on these examples for
//! what it quotes, and not on others.

use std::collections::{HashMap, HashSet};

use gepa_evaluation::ReflectiveRecord;
use serde_json::Value;

/// Eight words in a row are no accident.
const WORDS: usize = 8;
/// A shorter input counts if all of it is copied and it has at least this many words.
const FEWEST_WORDS: usize = 4;
/// The heading under which evaluators show what went in.
const INPUTS: &str = "Inputs";
/// Headings of what came out, which is no part of an example.
const OUTCOMES: [&str; 2] = ["Generated Outputs", "Feedback"];

/// Runs of words that only one of the shown examples has.
#[derive(Debug)]
pub(crate) struct ShownWords {
    runs: HashSet<Vec<String>>,
}

impl ShownWords {
    /// The runs of the inputs in `records`, as they are shown for a component. Runs of `current`, the present
    /// text, and those that several examples share are no copies of an example.
    pub(crate) fn of(records: &[ReflectiveRecord], component: &str, current: &str) -> Self {
        let mut seen: HashMap<Vec<String>, usize> = HashMap::new();
        let mut runs = HashSet::new();
        for (number, record) in records.iter().enumerate() {
            let mut texts = Vec::new();
            let shown = record.headings(component);
            let has_inputs = shown.iter().any(|(name, _)| name == INPUTS);
            for (name, value) in &shown {
                let counts = if has_inputs {
                    name == INPUTS
                } else {
                    !OUTCOMES.contains(&name.as_str())
                };
                if counts {
                    texts_in(value, &mut texts);
                }
            }
            for text in texts {
                let words = words_of(text);
                let length = words.len().min(WORDS);
                if length < FEWEST_WORDS {
                    continue;
                }
                for run in words.windows(length) {
                    if *seen.entry(run.to_vec()).or_insert(number) == number {
                        runs.insert(run.to_vec());
                    } else {
                        runs.remove(run);
                    }
                }
            }
        }
        if !runs.is_empty() {
            let known = words_of(current);
            for length in FEWEST_WORDS..=WORDS {
                for run in known.windows(length) {
                    runs.remove(run);
                }
            }
        }
        Self { runs }
    }

    /// The first words that a text copies.
    pub(crate) fn copied_by(&self, text: &str) -> Option<String> {
        if self.runs.is_empty() {
            return None;
        }
        let words = words_of(text);
        (0..words.len()).find_map(|start| {
            let lengths = (FEWEST_WORDS..=WORDS).rev();
            let mut runs = lengths.filter_map(|length| words.get(start..start + length));
            runs.find(|run| self.runs.contains(*run))
                .map(|run| run.join(" "))
        })
    }
}

fn texts_in<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_in(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| texts_in(field, texts)),
        _ => {}
    }
}

/// Words in lower case, without signs around them.
fn words_of(text: &str) -> Vec<String> {
    let words = text.split_whitespace();
    let words = words.map(|word| word.trim_matches(|sign: char| !sign.is_alphanumeric()));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use gepa_evaluation::Scored;
    use serde_json::json;

    use super::*;

    fn record(trace: Value) -> ReflectiveRecord {
        ReflectiveRecord {
            example: 1.into(),
            scored: Scored {
                feedback: Some("say always the unit after each number that you give".to_owned()),
                trace: Some(trace),
                ..Scored::default()
            },
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let records = [
            record(
                json!({"Inputs": {"q": "A train leaves Ulm at nine and arrives in Bonn at one."}}),
            ),
            record(
                json!({"Inputs": {"q": "What is the capital of Peru?", "n": 7},
                          "Notes": "the notes of the evaluator are shown as well here"}),
            ),
            record(
                json!({"Inputs": "Answer the question that follows now, please, in a single word: a"}),
            ),
            record(
                json!({"Inputs": "Answer the question that follows now, please, in a single word: b"}),
            ),
        ];
        let current = "Trains: a train leaves Ulm at nine and arrives.";
        let shown = ShownWords::of(&records, "plan", current);
        assert_eq!(shown.copied_by(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn eight_words_in_a_row_or_a_whole_short_input_are_a_copy() {
        check(
            "Note that at nine, and arrives in Bonn at ONE is four hours.",
            Some("at nine and arrives in bonn at one"),
        );
        check(
            "Example: what is the capital of Peru? Lima.",
            Some("what is the capital of peru"),
        );
        check("What is the capital of a country?", None);
    }

    #[test]
    fn what_is_no_input_or_no_single_examples_or_stood_there_before_is_no_copy() {
        check("Say always the unit after each number that you give.", None);
        check("The notes of the evaluator are shown as well here.", None);
        check(
            "Answer the question that follows now, please, in a single word.",
            None,
        );
        check(
            "A train leaves Ulm at nine and arrives: compute the time.",
            None,
        );
    }
}
