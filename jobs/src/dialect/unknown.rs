//! Reports keys that have no effect. They are not refused.

use gepa_configs::begins_with;
use toml::{Table, Value};

use super::form::Form;
use super::reader::Reader;
use super::spellings::ENV_FILE;

/// Keys of later versions of the dialect that have no effect here, and why.
const WITHOUT_EFFECT: [(&str, &str); 11] = [
    (
        "gepa.proposer_effort",
        "the mutation's model decides how much effort is made",
    ),
    (
        "gepa.proposer_output_tokens",
        "`gepa.mutation.max_tokens` bounds what the proposer writes",
    ),
    ("judge", "the task app's reward is the score"),
    ("gepa.judge", "the task app's reward is the score"),
    ("proxy_models", "every rollout calls the policy's model"),
    (
        "gepa.proxy_models",
        "every rollout calls the policy's model",
    ),
    ("adaptive_pool", "the example sets are fixed"),
    ("gepa.adaptive_pool", "the example sets are fixed"),
    ("adaptive_batch", "minibatches are of one size"),
    ("gepa.adaptive_batch", "minibatches are of one size"),
    ("free_tier", "there are no tiers"),
];

/// Keys that are meant for people or for the client only.
const IGNORED: [&str; 6] = [
    "algorithm",
    "task_app_id",
    "task_app_api_key",
    "initial_prompt.id",
    "initial_prompt.name",
    "mipro",
];

/// Adds a note for every key that was not read. `own` lists tables of our own format, which are not
/// checked here.
pub(super) fn note_unknown(reader: &mut Reader<'_>, own: &[&str]) {
    // This key was read before all others, since their values may name variables of its file.
    reader.all(ENV_FILE);
    for name in IGNORED {
        let key = reader.full(name);
        reader.used.insert(key);
    }
    for (name, why) in WITHOUT_EFFECT {
        // Some clients write these keys at the top level, with the same meaning.
        let mut places = vec![reader.full(name), name.to_owned()];
        places.dedup();
        for key in places {
            if reader.value(&key).is_some() {
                reader.note(&key, format!("has no effect: {why}"));
            }
        }
    }
    let mut unread = Vec::new();
    for (name, value) in reader.table {
        let is_own = reader.dialect == Form::Table && own.contains(&name.as_str());
        if name != "display" && !is_own {
            collect(reader, name, value, &mut unread);
        }
    }
    for key in unread {
        reader.note(&key, "is not known to this engine and has no effect");
    }
}

fn collect(reader: &Reader<'_>, key: &str, value: &Value, unread: &mut Vec<String>) {
    if reader.used.iter().any(|used| begins_with(key, used)) {
        return;
    }
    let has_read_parts = reader.used.iter().any(|used| begins_with(used, key));
    match value {
        Value::Table(table) if has_read_parts || is_plain(table) => {
            for (name, inner) in table {
                collect(reader, &format!("{key}.{name}"), inner, unread);
            }
        }
        _ => unread.push(key.to_owned()),
    }
}

/// A table whose keys can be named one by one.
fn is_plain(table: &Table) -> bool {
    table.len() <= 8
}
