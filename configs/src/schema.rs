//! The JSON schema of config files, and the keys that it allows.

use serde_json::Value;

use crate::raw::RawConfig;

/// The JSON schema of a config file, as a text. The binary holds the file instead of the code that derives
/// it from the types, which is a 40th of its size.
pub const CONFIG_SCHEMA: &str = include_str!("../gepa.schema.json");

/// The JSON schema of a config file, derived from the types of the settings.
///
/// # Errors
/// None are known; a schema is plain JSON.
pub fn derive_config_schema() -> serde_json::Result<String> {
    let schema = schemars::schema_for!(RawConfig);
    Ok(serde_json::to_string_pretty(&schema)? + "\n")
}

/// The keys that are allowed in the table at a dotted path; empty if any key is allowed.
pub(crate) fn keys_at(path: &str) -> Vec<String> {
    let schema = serde_json::from_str(CONFIG_SCHEMA).unwrap_or_default();
    let mut nodes = vec![&schema];
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        nodes = nodes
            .into_iter()
            .flat_map(|node| children(&schema, node, part))
            .collect();
    }
    let mut keys = Vec::new();
    for node in nodes {
        for variant in variants(&schema, node) {
            if let Some(Value::Object(properties)) = variant.get("properties") {
                keys.extend(properties.keys().cloned());
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key: &String| seen.insert(key.clone()));
    keys
}

/// The key most similar to `wrong`; `None` if no key is similar.
pub(crate) fn nearest<'a>(wrong: &str, keys: &'a [String]) -> Option<&'a str> {
    keys.iter()
        .map(|key| (strsim::levenshtein(wrong, key), key.as_str()))
        .filter(|(distance, key)| *distance <= wrong.len().max(key.len()).div_ceil(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

fn children<'a>(schema: &'a Value, node: &'a Value, part: &str) -> Vec<&'a Value> {
    variants(schema, node)
        .into_iter()
        .filter_map(|variant| {
            let named = variant
                .get("properties")
                .and_then(|properties| properties.get(part));
            let any = variant
                .get("additionalProperties")
                .filter(|value| value.is_object());
            let item = variant.get("items");
            if part.parse::<usize>().is_ok() {
                item
            } else {
                named.or(any)
            }
        })
        .collect()
}

/// A node with references and alternatives resolved.
fn variants<'a>(schema: &'a Value, node: &'a Value) -> Vec<&'a Value> {
    let mut resolved = vec![node];
    if let Some(Value::String(reference)) = node.get("$ref") {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| schema.pointer(pointer));
        resolved.extend(
            target
                .into_iter()
                .flat_map(|target| variants(schema, target)),
        );
    }
    for alternatives in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(options)) = node.get(alternatives) {
            resolved.extend(options.iter().flat_map(|option| variants(schema, option)));
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_schema_is_that_of_the_types() {
        assert_eq!(
            CONFIG_SCHEMA,
            derive_config_schema().unwrap(),
            "write it anew with `cargo run -p gepa-configs --example schema > configs/gepa.schema.json`"
        );
    }

    #[test]
    fn keys_are_found_through_references_alternatives_and_maps() {
        assert!(keys_at("").contains(&"budget".to_owned()));
        assert!(keys_at("budget").contains(&"max_rollouts".to_owned()));
        assert!(keys_at("prompt.messages[0]").contains(&"pattern_file".to_owned()));
        assert!(keys_at("providers.openai").contains(&"max_concurrent".to_owned()));
        assert!(keys_at("evaluator").contains(&"command".to_owned()));
    }

    #[test]
    fn the_nearest_key_of_a_typing_error_is_the_intended_one() {
        let keys = keys_at("budget");
        assert_eq!(nearest("max_rolouts", &keys), Some("max_rollouts"));
        assert_eq!(nearest("max-tokens", &keys), Some("max_tokens"));
        assert_eq!(nearest("zzz", &keys), None);
    }
}
