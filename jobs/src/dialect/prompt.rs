//! Reads the prompt: messages, or the modules of a pipeline.

use gepa_configs::{MessageSettings, PromptSettings, RawConfig};
use gepa_evaluation::wildcards_in;
use toml::Value;

use super::pipeline::{GivenModule, PIPELINE, check_modules, read_pipeline};
use super::reader::Reader;
use super::spellings::Spellings;

const MESSAGES: Spellings = &["initial_prompt.messages"];
const WILDCARDS: Spellings = &["initial_prompt.wildcards"];
const SYSTEM: &str = "system";

/// Reads messages or a pipeline into `raw`. Returns the modules of the pipeline in the order of its
/// calls.
pub(super) fn read_prompt(reader: &mut Reader<'_>, raw: &mut RawConfig) -> Vec<GivenModule> {
    reader.link("prompt", MESSAGES);
    reader.link("components", PIPELINE);
    let pipeline = read_pipeline(reader);
    check_modules(reader, &pipeline);
    let has_pipeline = reader.find(PIPELINE).is_some();
    if pipeline.is_empty() && !has_pipeline {
        let messages = read_messages(reader);
        check_wildcards(reader, &messages);
        raw.prompt = Some(PromptSettings { messages });
        return Vec::new();
    }
    if reader.find(MESSAGES).is_some() {
        let key = reader.key(MESSAGES);
        reader.note(
            &key,
            "is a placeholder where there is a pipeline; it is sent nowhere",
        );
    }
    let texts = pipeline.iter();
    raw.components = texts
        .map(|module| (module.name.clone(), module.text.clone()))
        .collect();
    pipeline
}

fn read_messages(reader: &mut Reader<'_>) -> Vec<MessageSettings> {
    let Some(found) = reader.find(MESSAGES) else {
        let key = reader.key(MESSAGES);
        reader.refuse(&key, "is missing; the search needs a prompt to start from");
        return Vec::new();
    };
    let items = found.value.as_array().filter(|items| !items.is_empty());
    let Some(items) = items else {
        reader.refuse(&found.key, "must be a list of at least one message");
        return Vec::new();
    };
    let mut ordered = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let key = format!("{}[{position}]", found.key);
        if let Some((order, message)) = read_message(reader, &key, item) {
            ordered.push((order, key, message));
        }
    }
    ordered.sort_by_key(|(order, _, _)| *order);
    for (position, (_, key, _)) in ordered.iter().enumerate() {
        reader
            .keys
            .link(format!("prompt.messages[{position}]"), key.clone());
    }
    let mut messages: Vec<MessageSettings> =
        ordered.into_iter().map(|(_, _, message)| message).collect();
    name_components(&mut messages);
    messages
}

fn read_message(
    reader: &mut Reader<'_>,
    key: &str,
    item: &Value,
) -> Option<(i64, MessageSettings)> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let Some(role) = text("role") else {
        reader.refuse(key, "lacks its `role`: system, user or assistant");
        return None;
    };
    let Some(pattern) = text("pattern").or_else(|| text("content")) else {
        reader.refuse(key, "lacks its `pattern`, the text with {wildcards}");
        return None;
    };
    let order = item
        .get("order")
        .and_then(Value::as_integer)
        .unwrap_or_default();
    let message = MessageSettings {
        role: role.to_owned(),
        component: None,
        pattern: Some(pattern.to_owned()),
        pattern_file: None,
    };
    Some((order, message))
}

/// The system messages are optimized, or the first message if there is no system message.
fn name_components(messages: &mut [MessageSettings]) {
    let mut count = 0;
    for message in messages.iter_mut().filter(|message| message.role == SYSTEM) {
        count += 1;
        message.component = Some(if count == 1 {
            SYSTEM.to_owned()
        } else {
            format!("{SYSTEM}_{count}")
        });
    }
    if count == 0
        && let Some(first) = messages.first_mut()
    {
        first.component = Some(first.role.clone());
    }
}

fn check_wildcards(reader: &mut Reader<'_>, messages: &[MessageSettings]) {
    let Some(table) = reader.table(WILDCARDS) else {
        return;
    };
    let key = reader.key(WILDCARDS);
    for (name, need) in table {
        let is_used = messages
            .iter()
            .filter_map(|message| message.pattern.as_deref())
            .any(|pattern| {
                wildcards_in(pattern)
                    .iter()
                    .any(|wildcard| **wildcard == **name)
            });
        if need.as_str() == Some("REQUIRED") && !is_used {
            reader.note(
                &format!("{key}.{name}"),
                "is required, but no message has that wildcard",
            );
        }
    }
}
