//! The prompt a config describes: its messages, the seed candidate in them, and the files they name.

use std::path::Path;

use gepa_archive::Candidate;
use gepa_engine::Problem;
use gepa_engine::reflection::control_character_in;
use gepa_evaluation::{PromptMessage, PromptTemplate};
use gepa_models::read_bounded;

use crate::raw::{MessageSettings, RawConfig};

/// Largest text file a config may refer to, in bytes.
const MAX_TEXT_FILE: u64 = 4 << 20;

pub(crate) fn read_prompt(
    raw: &RawConfig,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> PromptTemplate {
    let settings = raw
        .prompt
        .as_ref()
        .map_or(&[][..], |prompt| &prompt.messages);
    let mut messages = Vec::new();
    for (position, message) in settings.iter().enumerate() {
        let key = format!("prompt.messages[{position}]");
        if !["system", "user", "assistant"].contains(&message.role.as_str()) {
            let text = "must be `system`, `user` or `assistant`";
            problems.push(Problem::new(format!("{key}.role"), text));
        }
        let pattern = message_pattern(message, &key, directory, problems);
        messages.push(PromptMessage {
            role: message.role.clone(),
            component: message.component.clone(),
            pattern,
        });
    }
    PromptTemplate { messages }
}

/// Refuses control characters in the prompt and in texts of candidates. Line ends stay as they are in the
/// config, since a task app's prompt is found by its seed text.
pub(crate) fn check_characters(
    raw: &RawConfig,
    prompt: &PromptTemplate,
    problems: &mut Vec<Problem>,
) {
    let messages = prompt.messages.iter().enumerate();
    let messages = messages.map(|(at, message)| {
        let key = format!("prompt.messages[{at}]");
        (key, message.pattern.as_str())
    });
    let components = raw.components.iter();
    let components = components.map(|(name, text)| (format!("components.{name}"), text.as_str()));
    let seeds = raw.seeds.iter().enumerate().flat_map(|(at, seed)| {
        let texts = seed.iter();
        texts.map(move |(name, text)| (format!("seeds[{at}].{name}"), text.as_str()))
    });
    for (key, text) in messages.chain(components).chain(seeds) {
        if let Some(found) = control_character_in(text) {
            problems.push(Problem::new(key, format!("has {found}; take it out")));
        }
    }
}

fn message_pattern(
    message: &MessageSettings,
    key: &str,
    directory: &Path,
    problems: &mut Vec<Problem>,
) -> String {
    match (&message.pattern, &message.pattern_file) {
        (Some(pattern), None) => pattern.clone(),
        (None, Some(file)) => {
            let key = format!("{key}.pattern_file");
            read_text(directory, file, &key, problems).unwrap_or_default()
        }
        _ => {
            let text = "needs either `pattern` or `pattern_file`";
            problems.push(Problem::new(key, text));
            String::new()
        }
    }
}

pub(crate) fn seed_candidate(
    raw: &RawConfig,
    prompt: &PromptTemplate,
    problems: &mut Vec<Problem>,
) -> Option<Candidate> {
    let of_messages = prompt
        .messages
        .iter()
        .filter_map(|message| Some((message.component.clone()?, message.pattern.clone())));
    let of_table = raw
        .components
        .iter()
        .map(|(name, text)| (name.clone(), text.clone()));
    let components: Vec<(String, String)> = of_messages.chain(of_table).collect();
    for (position, (name, _)) in components.iter().enumerate() {
        if components[..position]
            .iter()
            .any(|(earlier, _)| earlier == name)
        {
            problems.push(Problem::new(
                format!("components.{name}"),
                "is named twice; each component has one seed text",
            ));
        }
    }
    Candidate::new(components)
        .map_err(|_| {
            problems.push(Problem::new(
                "prompt",
                "has no component to evolve; name one, for example `component = \"instruction\"` in a message",
            ));
        })
        .ok()
}

pub(crate) fn read_text(
    directory: &Path,
    file: &str,
    key: &str,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let path = directory.join(file);
    match read_plain(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            let message = format!("names {}, which cannot be read: {error}", path.display());
            problems.push(Problem::new(key, message));
            None
        }
    }
}

/// A file's text as editors show it: without a byte order mark, with line feeds alone at the ends of
/// lines. The model would see both.
fn read_plain(path: &Path) -> Result<String, String> {
    let bytes = read_bounded(path, MAX_TEXT_FILE).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        format!("line {line} is not UTF-8; save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.replace("\r\n", "\n"))
}
