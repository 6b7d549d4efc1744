//! The texts that the file adds to the reflection prompt.

use std::path::Path;

use gepa_engine::reflection::Template;

use super::reader::Reader;
use super::spellings::{MUTATION_PROMPT, Spellings};

const METAPROMPT: Spellings = &["gepa.metaprompt"];
const SPEC_PATH: Spellings = &["gepa.spec_path"];
const DEFAULT_SPEC_TOKENS: u64 = 5_000;
/// Rough length of a token in English text.
const CHARS_PER_TOKEN: u64 = 4;
/// Largest spec file, in bytes.
const MAX_SPEC_FILE: u64 = 4 << 20;

/// The reflection prompt; `None` for the built-in one.
pub(super) fn read_template(reader: &mut Reader<'_>, directory: &Path) -> Option<String> {
    reader.link("reflection.template", MUTATION_PROMPT);
    let metaprompt = reader.prose(METAPROMPT);
    let own = reader.prose(MUTATION_PROMPT);
    let spec = read_spec(reader, directory);
    let (body, own_guidance) = match own {
        Some(own) if Template::parse(&own).is_ok() => (own, None),
        Some(own) => {
            let key = reader.key(MUTATION_PROMPT);
            let note = "lacks the placeholders <curr_param> and <side_info>; it stands in front of the built-in prompt";
            reader.note(&key, note);
            (Template::DEFAULT.to_owned(), Some(own))
        }
        None => (Template::DEFAULT.to_owned(), None),
    };
    let guidance: Vec<String> = [metaprompt, own_guidance, spec]
        .into_iter()
        .flatten()
        .collect();
    if guidance.is_empty() && body == Template::DEFAULT {
        return None;
    }
    Some([guidance, vec![body]].concat().join("\n\n"))
}

fn read_spec(reader: &mut Reader<'_>, directory: &Path) -> Option<String> {
    let proposer = reader.word(&["gepa.proposer_type"], &["dspy", "spec"]);
    let most_tokens = reader
        .count(&["gepa.spec_max_tokens"], 1)
        .unwrap_or(DEFAULT_SPEC_TOKENS);
    let threshold = reader.number(&["gepa.spec_priority_threshold"], "0 or more", |number| {
        number >= 0.0
    });
    let with_examples = reader.flag(&["gepa.spec_include_examples"]);
    let path = reader.text(SPEC_PATH);
    let key = reader.key(SPEC_PATH);
    if proposer.as_deref() != Some("spec") {
        return None;
    }
    let Some(path) = path else {
        if reader.find(SPEC_PATH).is_none() {
            reader.refuse(
                &key,
                "is missing; the proposer `spec` needs the path of the specification",
            );
        }
        return None;
    };
    if reader.is_submitted {
        reader.refuse(&key, "names a local file, which a submitted job may not; put the text into `gepa.metaprompt`");
        return None;
    }
    if threshold.is_some_and(|threshold| threshold > 0.0) || with_examples == Some(false) {
        reader.note(
            &key,
            "is shown as it stands: neither priorities nor examples are filtered",
        );
    }
    match read_text(directory, &path) {
        Ok(text) => {
            let most = (most_tokens * CHARS_PER_TOKEN) as usize;
            let bounded: String = text.chars().take(most).collect();
            if bounded.len() < text.len() {
                reader.note(
                    &key,
                    format!(
                        "is longer than `spec_max_tokens`; its first {most} characters are shown"
                    ),
                );
            }
            Some(format!("The task is specified as follows:\n{bounded}"))
        }
        Err(error) => {
            reader.refuse(&key, format!("names {path}, which cannot be read: {error}"));
            None
        }
    }
}

/// Reads a text file. The path is tried relative to the config file and then relative to the
/// working directory: files of this dialect use either.
fn read_text(directory: &Path, path: &str) -> Result<String, String> {
    let beside = directory.join(path);
    let file = if beside.exists() {
        beside
    } else {
        Path::new(path).to_owned()
    };
    gepa_models::read_text(&file, MAX_SPEC_FILE).map_err(|error| error.to_string())
}
