//! Reads the task app: its address, its environment, and the splits of its seeds.

use gepa_models::HttpAddress;
use gepa_tasks::task_app::TaskAppSettings;
use serde_json::{Map, Value};

use super::reader::Reader;
use super::spellings::{POOL, Spellings, VALIDATION_POOL};

const URL: Spellings = &["task_app_url"];
const ENV_NAME: Spellings = &["gepa.env_name"];
const DEFAULT_ENV_NAME: &str = "banking77";
/// Keys that other files read and the task app must not get.
const SEED_LISTS: [&str; 2] = ["evaluation_seeds", "test_pool"];
/// The split that task apps use when a request names none.
const USUAL_SPLIT: &str = "train";

/// Reads all settings of the app except its key.
pub(super) fn read_task_app(reader: &mut Reader<'_>) -> TaskAppSettings {
    reader.link("evaluator", URL);
    reader.link("evaluator.url", URL);
    reader.link("evaluator.split", POOL);
    reader.link("evaluator.validation_split", VALIDATION_POOL);
    let key = reader.full("task_app_api_key");
    reader.keys.link("evaluator.api_key_env", key);
    let url = read_url(reader);
    let env_name = reader
        .text(ENV_NAME)
        .unwrap_or_else(|| DEFAULT_ENV_NAME.to_owned());
    let mut settings = TaskAppSettings::new(url, env_name);
    for spellings in [&["env_config"] as Spellings, &["gepa.env_config"]] {
        if let Some(table) = reader.table(spellings) {
            let key = reader.key(spellings);
            let value = reader.json(&key, &toml::Value::Table(table.clone()));
            if let Some(Value::Object(map)) = value {
                settings.env_config.extend(map);
            }
        }
    }
    for name in SEED_LISTS {
        settings.env_config.shift_remove(name);
    }
    settings.split = reader.text(POOL);
    settings.validation_split = reader.text(VALIDATION_POOL);
    settings
}

/// Whether validation seeds and training seeds seem to be of the same split, so that equal seeds
/// are the same example.
pub(super) fn is_one_split(settings: &TaskAppSettings) -> bool {
    let train = settings.split.as_deref().unwrap_or(USUAL_SPLIT);
    settings.validation_split.as_deref().unwrap_or(train) == train
}

/// The settings that every rollout request carries in `policy.config`.
pub(super) fn further_policy_settings(
    reader: &mut Reader<'_>,
    known: &[&str],
) -> Map<String, Value> {
    let mut further = Map::new();
    let Some(table) = reader.table(&["policy"]) else {
        return further;
    };
    for (name, value) in table {
        let key = format!("{}.{name}", reader.full("policy"));
        if !known.contains(&name.as_str())
            && let Some(value) = reader.json(&key, value)
        {
            further.insert(name.clone(), value);
        }
    }
    further
}

fn read_url(reader: &mut Reader<'_>) -> String {
    let key = reader.key(URL);
    if reader.find(URL).is_none() {
        reader.refuse(
            &key,
            "is missing; give the task app's address, http://... or https://...",
        );
        return String::new();
    }
    let Some(url) = reader.text(URL) else {
        return String::new();
    };
    match HttpAddress::parse(&url) {
        Ok(address) if reader.is_submitted && address.is_link_local() => {
            reader.refuse(
                &key,
                "is a link-local or metadata address, which submitted jobs may not name",
            );
        }
        Ok(_) => {}
        Err(error) => reader.refuse(&key, error.to_string()),
    }
    url
}
