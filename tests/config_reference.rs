//! The reference of all keys and the schema agree with the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::Workspace;

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(configs().join(name)).unwrap()
}

#[test]
fn the_checked_in_schema_is_the_one_the_program_prints() {
    let printed = Workspace::new().succeed(&["schema"]);
    assert_eq!(read("gepa.schema.json"), printed);
}

#[test]
fn the_reference_is_a_config_that_holds_together() {
    let reference = configs().join("reference.toml");
    let printed = Workspace::new().succeed(&["check", reference.to_str().unwrap()]);
    assert!(
        printed.contains("100 train, 60 pareto, 60 validation"),
        "{printed}"
    );
}

#[test]
fn the_reference_names_every_key_there_is_and_no_other() {
    let schema: Value = serde_json::from_str(&read("gepa.schema.json")).unwrap();
    let mut keys = BTreeMap::new();
    collect_keys(&schema, &schema, "", &mut keys);
    let shown = reference_keys();
    let missing: Vec<&String> = keys
        .keys()
        .filter(|key| !shown.contains_key(*key))
        .collect();
    let unknown: Vec<&String> = shown
        .keys()
        .filter(|key| !keys.contains_key(*key))
        .collect();
    assert_eq!(
        missing,
        Vec::<&String>::new(),
        "keys the reference does not show"
    );
    assert_eq!(
        unknown,
        Vec::<&String>::new(),
        "keys the program does not know"
    );
}

#[test]
fn the_defaults_the_reference_states_are_the_real_ones() {
    let schema: Value = serde_json::from_str(&read("gepa.schema.json")).unwrap();
    let mut keys = BTreeMap::new();
    collect_keys(&schema, &schema, "", &mut keys);
    let shown = reference_keys();
    // Values that the example needs must differ from the defaults.
    let of_the_example = [
        "prompt.messages.role",
        "policy.provider",
        "policy.model",
        "examples.train",
        "examples.pareto",
        "examples.validation",
        // Configs of new runs have other values than settings without the key; the schema has the latter.
        "run.gate_lag",
        "run.pareto_lag",
        "search.growing.repeats",
        "search.reuse_in_flight",
    ];
    let mut compared = 0;
    for (key, default) in keys {
        if default.is_null() || default.is_object() || of_the_example.contains(&key.as_str()) {
            continue;
        }
        assert!(
            shown[&key].contains(&default),
            "{key}: {:?} is shown, {default} is the default",
            shown[&key]
        );
        compared += 1;
    }
    assert!(
        compared > 40,
        "only {compared} defaults were found in the schema"
    );
}

/// Replaces a path by the one that documents the shared keys.
fn normalised(path: &str) -> String {
    let mut path = path
        .replace("reflection_model.", "policy.")
        .replace("judge.", "policy.");
    for set in ["train", "pareto", "validation"] {
        path = path.replace(&format!("dataset.split.{set}."), "dataset.split.SET.");
    }
    path
}

/// Every key that takes a value, with its default.
fn collect_keys(schema: &Value, node: &Value, path: &str, keys: &mut BTreeMap<String, Value>) {
    if let Some(reference) = node["$ref"].as_str() {
        let target = schema.pointer(reference.trim_start_matches('#')).unwrap();
        collect_keys(schema, target, path, keys);
    }
    for alternatives in ["anyOf", "oneOf", "allOf"] {
        for option in node[alternatives].as_array().into_iter().flatten() {
            collect_keys(schema, option, path, keys);
        }
    }
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        let dotted = format!("{path}.{name}");
        let before = keys.len();
        collect_keys(schema, property, &dotted, keys);
        let map = &property["additionalProperties"];
        if map.is_object() {
            collect_keys(schema, map, &format!("{dotted}.*"), keys);
        }
        collect_keys(schema, &property["items"], &dotted, keys);
        let is_leaf = keys.len() == before && !has_known_children(keys, &dotted);
        if is_leaf {
            keys.insert(
                normalised(dotted.trim_start_matches('.')),
                property["default"].clone(),
            );
        }
    }
}

/// Whether a key is a table that occurs under another alternative or under a shared path. Such a
/// table is no leaf.
fn has_known_children(keys: &BTreeMap<String, Value>, dotted: &str) -> bool {
    let prefix = normalised(&format!("{}.", dotted.trim_start_matches('.')));
    keys.keys().any(|key| key.starts_with(&prefix))
}

/// Every key in the reference, commented out or not, with its values there.
fn reference_keys() -> BTreeMap<String, Vec<Value>> {
    let mut shown: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut table = String::new();
    for line in read("reference.toml").lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(header) = line.strip_prefix('[') {
            header.trim_matches(['[', ']']).clone_into(&mut table);
            table = table
                .replace("providers.openai", "providers.*")
                .replace("texts.instruction", "texts.*");
            continue;
        }
        // A line of prose has a space after its `#`.
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) else {
            continue;
        };
        let parsed: toml::Table =
            toml::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let value = serde_json::to_value(&parsed[key]).unwrap();
        let dotted = match table.as_str() {
            "components" | "seeds" => table.clone(),
            "" => key.to_owned(),
            _ => format!("{table}.{key}"),
        };
        shown.entry(normalised(&dotted)).or_default().push(value);
    }
    shown
}
