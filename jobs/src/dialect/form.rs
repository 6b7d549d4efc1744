//! Recognises the dialect and prepares its table: an override wins over every spelling of its key,
//! and secrets are removed.

use gepa_configs::{TASK_APP_KEY, find};
use gepa_engine::Problem;
use gepa_models::{ApiKey, Environment};
use toml::{Table, Value};

use super::expand::{expand, names_variable, sole_variable};
use super::spellings::{ALL, ENV_FILE};

/// Where a document has the dialect's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Under `[prompt_learning]`.
    Table,
    /// At the top level.
    Root,
}

/// Keys that clients send among the overrides although they override nothing.
const NO_OVERRIDES: [&str; 4] = ["backend", "task_url", "metadata", "auto_start"];

const KEY_OF_APP: &str = "task_app_api_key";

impl Form {
    /// The form of a document in the dialect; `None` for a document in our own format.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        if table.contains_key("prompt_learning") {
            return Some(Self::Table);
        }
        let is_flat = table.contains_key("algorithm")
            && ["task_app_url", "initial_prompt", "gepa"]
                .iter()
                .any(|key| table.contains_key(*key));
        is_flat.then_some(Self::Root)
    }

    /// The prefix of the dialect's keys in the document.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Table => "prompt_learning.",
            Self::Root => "",
        }
    }

    /// A spelling as a dotted key of the document.
    pub(super) fn full(self, spelling: &str) -> String {
        match spelling.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("{}{spelling}", self.prefix()),
        }
    }

    /// Whether a key that was sent among the overrides overrides nothing.
    pub(crate) fn is_no_override(key: &str) -> bool {
        NO_OVERRIDES.contains(&key)
    }

    /// Removes the other spellings of every key that the override `key = value` sets.
    pub(crate) fn settle_override(self, table: &mut Table, key: &str, value: &Value) {
        for leaf in leaves(key, value) {
            for spellings in ALL {
                let all: Vec<String> = spellings.iter().map(|one| self.full(one)).collect();
                if all.contains(&leaf) {
                    for other in all.iter().filter(|other| **other != leaf) {
                        remove(table, other);
                    }
                }
            }
        }
    }

    /// Takes the task app's key out of the table. A value that is a variable's name stays: it is
    /// not secret.
    pub(crate) fn take_task_app_key(
        self,
        table: &mut Table,
        environment: &Environment,
        is_submitted: bool,
    ) -> Result<Option<ApiKey>, Problem> {
        let key = self.full(KEY_OF_APP);
        let Some(value) = find(table, &key) else {
            return Ok(None);
        };
        let Some(text) = value.as_str().map(str::to_owned) else {
            remove(table, &key);
            return Err(Problem::new(key, "must be a string"));
        };
        if is_submitted && names_variable(&text) && sole_variable(&text) != Some(TASK_APP_KEY) {
            let message = format!("may name no variable but {TASK_APP_KEY} in a submitted job");
            return Err(Problem::new(key, message));
        }
        let expanded =
            expand(&text, environment).map_err(|message| Problem::new(key.clone(), message));
        if sole_variable(&text).is_none() {
            remove(table, &key);
        }
        let expanded = expanded?;
        Ok((!expanded.trim().is_empty()).then(|| ApiKey::new(expanded.trim())))
    }

    /// Removes every other value that looks like a secret, and returns the keys of these values.
    pub(crate) fn take_secrets(self, table: &mut Table) -> Vec<String> {
        let mut taken = Vec::new();
        let own = self.full(KEY_OF_APP);
        take_secrets_below("", table, &own, &mut taken);
        taken
    }

    /// The key and the path of the file with further variables, as written in the config.
    pub(crate) fn environment_file(self, table: &Table) -> Option<(String, String)> {
        ENV_FILE.iter().find_map(|spelling| {
            let key = self.full(spelling);
            let path = find(table, &key)?.as_str()?.to_owned();
            Some((key, path))
        })
    }
}

fn remove(table: &mut Table, key: &str) {
    match key.split_once('.') {
        None => {
            table.remove(key);
        }
        Some((first, rest)) => {
            if let Some(Value::Table(inner)) = table.get_mut(first) {
                remove(inner, rest);
            }
        }
    }
}

/// The dotted keys of all values at and below `key` that are no tables.
fn leaves(key: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Table(table) => table
            .iter()
            .flat_map(|(name, inner)| leaves(&format!("{key}.{name}"), inner))
            .collect(),
        _ => vec![key.to_owned()],
    }
}

fn take_secrets_below(path: &str, table: &mut Table, except: &str, taken: &mut Vec<String>) {
    let full = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    let secret: Vec<String> = table
        .iter()
        .filter(|(name, value)| {
            let is_variable = value
                .as_str()
                .is_some_and(|text| sole_variable(text).is_some());
            value.is_str() && !is_variable && is_secret_name(name) && full(name) != except
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in secret {
        table.remove(&name);
        taken.push(full(&name));
    }
    for (name, value) in table.iter_mut() {
        let below = full(name);
        let inner: Vec<&mut Table> = match value {
            Value::Table(inner) => vec![inner],
            Value::Array(items) => items.iter_mut().filter_map(Value::as_table_mut).collect(),
            _ => Vec::new(),
        };
        for inner in inner {
            take_secrets_below(&below, inner, except, taken);
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "api_key",
        "apikey",
        "authorization",
        "password",
        "secret",
        "access_token",
    ]
    .iter()
    .any(|ending| name.ends_with(ending))
}
