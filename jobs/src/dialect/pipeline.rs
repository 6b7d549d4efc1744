//! Reads the modules of a pipeline, and writes them as the app reads them.

use gepa_tasks::task_app::{PipelineModule, TaskAppSettings};
use serde_json::{Map, json};
use toml::{Table, Value};

use super::reader::{Reader, whole};
use super::spellings::Spellings;

pub(super) const PIPELINE: Spellings = &["initial_prompt.metadata.pipeline_modules"];
const MODULES: Spellings = &["gepa.modules"];
/// The fields of a module that become its component.
const TEXTS: [&str; 3] = ["name", "instruction_text", "instruction_lines"];

/// A module of the pipeline as the file has it.
pub(super) struct GivenModule {
    pub(super) name: String,
    /// The seed text of its component.
    pub(super) text: String,
    /// Its other fields, such as `few_shots`.
    further: Map<String, serde_json::Value>,
}

/// Makes the app run this pipeline: every rollout request gives it the modules with their seed
/// texts, which the interceptor then finds in the app's calls.
pub(super) fn give_to_app(pipeline: Vec<GivenModule>, task_app: &mut TaskAppSettings) {
    if pipeline.is_empty() {
        return;
    }
    let modules = pipeline.iter().map(|module| {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), module.name.as_str().into());
        fields.insert("instruction_text".to_owned(), module.text.as_str().into());
        fields.extend(module.further.clone());
        serde_json::Value::Object(fields)
    });
    let modules: Vec<serde_json::Value> = modules.collect();
    let template = json!({"prompt_metadata": {"pipeline_modules": modules}});
    let given = task_app.policy_config.entry("prompt_template");
    given.or_insert(template);
    task_app.pipeline = pipeline
        .into_iter()
        .map(|module| PipelineModule {
            component: module.name,
            baseline: Some(module.text),
        })
        .collect();
}

/// The modules with their seed texts, in the order of their calls.
pub(super) fn read_pipeline(reader: &mut Reader<'_>) -> Vec<GivenModule> {
    let metadata = reader.full("initial_prompt.metadata");
    reader.used.insert(metadata);
    let Some(found) = reader.find(PIPELINE) else {
        return Vec::new();
    };
    let Some(items) = found.value.as_array() else {
        reader.refuse(&found.key, "must be a list of modules");
        return Vec::new();
    };
    let mut modules: Vec<GivenModule> = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let key = format!("{}[{position}]", found.key);
        let Some(read) = read_pipeline_module(reader, &key, item) else {
            continue;
        };
        let name = &read.name;
        if modules.iter().any(|earlier| earlier.name == *name) {
            reader.refuse(
                &key,
                format!("is the second module called `{name}`; give each its own name"),
            );
            continue;
        }
        reader.keys.link(format!("components.{name}"), key);
        modules.push(read);
    }
    modules
}

fn read_pipeline_module(reader: &mut Reader<'_>, key: &str, item: &Value) -> Option<GivenModule> {
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
            .filter(|line| !line.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("\n")
    });
    let own = item.get("instruction_text").and_then(Value::as_str);
    let instruction = own
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned);
    let instruction = instruction.or(joined);
    let Some(instruction) = instruction.filter(|text| !text.trim().is_empty()) else {
        reader.refuse(
            key,
            "lacks its `instruction_text`, from which the search starts",
        );
        return None;
    };
    let further = item.as_table().into_iter().flatten();
    let further = further
        .filter(|(field, _)| !TEXTS.contains(&field.as_str()))
        .filter_map(|(field, value)| Some((field.clone(), serde_json::to_value(value).ok()?)));
    Some(GivenModule {
        name: name.to_owned(),
        text: instruction,
        further: further.collect(),
    })
}

/// Checks `gepa.modules` against the pipeline.
pub(super) fn check_modules(reader: &mut Reader<'_>, pipeline: &[GivenModule]) {
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
    for GivenModule { name, .. } in pipeline {
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
