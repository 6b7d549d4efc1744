//! `[[seeds]]`: further candidates from which a search starts.

use std::sync::Arc;

use gepa_archive::Candidate;
use indexmap::IndexMap;

use super::problem::Problem;
use super::texts::TextSettings;
use crate::reflection::TextRules;

/// Reads the further seeds. Marks of frozen parts are taken out of their texts as well.
pub(super) fn further_seeds(
    seed: &Candidate,
    texts: &IndexMap<String, TextSettings>,
    given: &[IndexMap<String, String>],
    rules_of: impl Fn(&str) -> TextRules,
    problems: &mut Vec<Problem>,
) -> Vec<Candidate> {
    let mut seeds: Vec<Candidate> = Vec::new();
    for (position, own) in given.iter().enumerate() {
        let key = format!("seeds[{position}]");
        let plain = own.iter().map(|(name, text)| {
            let marks = texts.get(name).and_then(|own| own.frozen_marks.as_ref());
            let text = match marks {
                Some([open, close]) => text.replace(open.as_str(), "").replace(close.as_str(), ""),
                None => text.clone(),
            };
            (name.as_str(), Arc::<str>::from(text))
        });
        let Ok(candidate) = seed.with_texts(plain) else {
            let known: Vec<&str> = seed.components().keys().map(|name| &**name).collect();
            let message = format!(
                "names a component that the seed does not have; it has: {}",
                known.join(", ")
            );
            problems.push(Problem::new(key, message));
            continue;
        };
        if candidate.content_id() == seed.content_id() || seeds.contains(&candidate) {
            let message = "is the seed of the config, or one of the seeds above; change a text";
            problems.push(Problem::new(key, message));
            continue;
        }
        for (name, text) in candidate.components() {
            if let Err(broken) = rules_of(name).check(text) {
                let message = broken.message.replace("the new text", "this text");
                problems.push(Problem::new(format!("{key}.{name}"), message));
            }
        }
        seeds.push(candidate);
    }
    seeds
}
