//! Reads the prompt: messages, or the modules of a pipeline.

use gepa_configs::{MessageSettings, PromptSettings, RawConfig};
use gepa_evaluation::wildcards_in;
use gepa_tasks::task_app::PipelineModule;
use toml::{Table, Value};

use super::reader::{Reader, whole};
use super::spellings::Spellings;

const MESSAGES: Spellings = &["initial_prompt.messages"];
const WILDCARDS: Spellings = &["initial_prompt.wildcards"];
const PIPELINE: Spellings = &["initial_prompt.metadata.pipeline_modules"];
const MODULES: Spellings = &["gepa.modules"];
const SYSTEM: &str = "system";

/// Reads messages or a pipeline into `raw`. Returns the modules of the pipeline in the order of its
/// calls.
pub(super) fn read_prompt(reader: &mut Reader<'_>, raw: &mut RawConfig) -> Vec<PipelineModule> {
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
    raw.components = pipeline.iter().cloned().collect();
    pipeline
        .into_iter()
        .map(|(component, text)| PipelineModule {
            component,
            baseline: Some(text),
        })
        .collect()
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

/// The modules with their seed texts.
fn read_pipeline(reader: &mut Reader<'_>) -> Vec<(String, String)> {
    let metadata = reader.full("initial_prompt.metadata");
    reader.used.insert(metadata);
    let Some(found) = reader.find(PIPELINE) else {
        return Vec::new();
    };
    let Some(items) = found.value.as_array() else {
        reader.refuse(&found.key, "must be a list of modules");
        return Vec::new();
    };
    let mut modules: Vec<(String, String)> = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let key = format!("{}[{position}]", found.key);
        let Some((name, text)) = read_pipeline_module(reader, &key, item) else {
            continue;
        };
        if modules.iter().any(|(earlier, _)| *earlier == name) {
            reader.refuse(
                &key,
                format!("is the second module called `{name}`; give each its own name"),
            );
            continue;
        }
        reader.keys.link(format!("components.{name}"), key);
        modules.push((name, text));
    }
    modules
}

fn read_pipeline_module(
    reader: &mut Reader<'_>,
    key: &str,
    item: &Value,
) -> Option<(String, String)> {
    if let Some(name) = item.as_str() {
        let message = format!(
            "names module `{name}` without its text; write {{ name = \"{name}\", instruction_text = \"...\" }}, \
             for the search starts from that text"
        );
        reader.refuse(key, message);
        return None;
    }
    let text = |names: [&str; 3]| names.into_iter().find_map(|name| item.get(name)?.as_str());
    let Some(name) = text(["name", "module_id", "stage_id"]).filter(|name| !name.trim().is_empty())
    else {
        reader.refuse(key, "lacks its `name`");
        return None;
    };
    let lines = item.get("instruction_lines").and_then(Value::as_array);
    let joined = lines.map(|lines| {
        lines
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    });
    let instruction = item
        .get("instruction_text")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .or(joined);
    let Some(instruction) = instruction.filter(|text| !text.trim().is_empty()) else {
        reader.refuse(
            key,
            "lacks its `instruction_text`, from which the search starts",
        );
        return None;
    };
    Some((name.to_owned(), instruction))
}

fn check_modules(reader: &mut Reader<'_>, pipeline: &[(String, String)]) {
    let found = reader.find(MODULES);
    let items = found
        .as_ref()
        .and_then(|found| found.value.as_array())
        .map_or(&[][..], Vec::as_slice);
    let modules_key = reader.key(MODULES);
    let mut named = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let key = format!("{modules_key}[{position}]");
        let Some(table) = item.as_table() else {
            reader.refuse(&key, "must be a table with a `module_id`");
            continue;
        };
        let id = ["module_id", "stage_id"]
            .into_iter()
            .find_map(|name| table.get(name)?.as_str());
        match id.filter(|id| !id.trim().is_empty()) {
            Some(id) => named.push(id.to_owned()),
            None => reader.refuse(&key, "lacks its `module_id`"),
        }
        check_module(reader, &key, table, items.len() > 1);
    }
    for (name, _) in pipeline {
        if !named.contains(name) {
            reader.refuse(
                &modules_key,
                format!("has no entry for the pipeline's module `{name}`; add one with `module_id = \"{name}\"`"),
            );
        }
    }
}

fn check_module(reader: &mut Reader<'_>, key: &str, module: &Table, is_one_of_many: bool) {
    for name in ["max_instruction_slots", "max_tokens"] {
        let Some(value) = module.get(name) else {
            continue;
        };
        let key = format!("{key}.{name}");
        if whole(value).is_none_or(|count| count == 0) {
            reader.refuse(&key, "must be a whole number of 1 or more");
        } else {
            reader.note(&key, "has no effect: a module's instruction is one text, bounded by `gepa.token.max_limit`");
        }
    }
    let Some(tools) = module.get("allowed_tools") else {
        return;
    };
    let key = format!("{key}.allowed_tools");
    let names: Option<Vec<&str>> = tools
        .as_array()
        .and_then(|tools| tools.iter().map(Value::as_str).collect());
    let Some(names) = names else {
        reader.refuse(&key, "must be a list of names");
        return;
    };
    if is_one_of_many && names.is_empty() {
        reader.refuse(&key, "is empty; leave it out to allow every tool");
    } else if is_one_of_many && names.iter().any(|name| name.trim().is_empty()) {
        reader.refuse(&key, "holds a blank name");
    } else if is_one_of_many && (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        reader.refuse(&key, "names a tool twice");
    } else {
        reader.note(
            &key,
            "has no effect: the task app decides which tools it offers",
        );
    }
}
