//! Where a config differs from the one a run stored, and which differences a run allows.

use std::path::{Path, PathBuf};

use gepa_engine::config::BudgetSettings;
use serde_json::Value as Json;

use crate::data_digests::{changed_app, changes};
use crate::raw::RawConfig;
use crate::task::{ConnectedTask, TaskConfig};

/// Characters of a value that a message shows.
const LONGEST_VALUE: usize = 80;

/// Keys that decide nothing: how fast a run is, where its models answer, how long they are waited for.
const FREE: [&str; 10] = [
    "run.name",
    "run.max_concurrent",
    "reflection.max_concurrent",
    "reflection.keep_prompts",
    "rollouts.timeout_seconds",
    "rollouts.backoff_seconds",
    "rollouts.max_attempts",
    "evaluator.url",
    "evaluator.processes",
    "evaluator.answer_seconds",
];

/// Tables whose keys decide nothing.
const FREE_TABLES: [&str; 4] = ["providers", "prices", "workers", "limits"];

/// Last parts of keys that decide nothing wherever they stand.
const FREE_ENDINGS: [&str; 4] = [
    "base_url",
    "api_key_env",
    "timeout_seconds",
    "max_line_bytes",
];

/// Keys that name files. What the files hold is compared in their place.
const FILES: [&str; 7] = [
    "dataset.path",
    "dataset.paths",
    "dataset.split.train.files",
    "dataset.split.pareto.files",
    "dataset.split.validation.files",
    "pattern_file",
    "reflection.template_file",
];

/// The configuration that a run stored.
#[derive(Clone, Debug)]
pub struct StoredSettings {
    raw: RawConfig,
    directory: PathBuf,
    /// Digests of what the run read; `None` if an earlier version began it.
    data: Option<Json>,
}

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key, with dots.
    pub key: String,
    /// The value that the run stored, as JSON; `not set` where there was none.
    pub before: String,
    /// The value now.
    pub after: String,
}

/// The keys in which a config differs from that of a run, limits left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Earlier decisions rest on these.
    pub deciding: Vec<Difference>,
    /// These decide nothing.
    pub free: Vec<Difference>,
}

impl StoredSettings {
    pub(crate) fn new(raw: RawConfig, directory: PathBuf) -> Self {
        Self {
            raw,
            directory,
            data: None,
        }
    }

    /// The same, with the digests that the run stored.
    pub(crate) fn with_data(self, stored: &Json) -> Self {
        let data = stored.get("data").cloned();
        Self { data, ..self }
    }

    /// What rewrites the run's components: `provider/model`, or the command of a process.
    pub fn writer(&self) -> Option<String> {
        self.raw.writer()
    }

    /// Provider and model that rewrite the run's components; `None` where a program does.
    pub fn reflection_model(&self) -> Option<(&str, &str)> {
        let (_, model) = self.raw.reflection_model();
        let model = model.filter(|_| !self.raw.has_own_proposer())?;
        Some((&model.provider, &model.model))
    }

    /// The seed of the run's random draws.
    pub fn seed(&self) -> u64 {
        self.raw.run.seed
    }

    /// The limits that the run began with.
    pub fn budget(&self) -> &BudgetSettings {
        &self.raw.budget
    }

    /// The keys in which `task` differs.
    pub fn differences_to(&self, task: &TaskConfig) -> Differences {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        flatten("", &json(&self.raw), &mut before);
        flatten("", &json(&task.raw), &mut after);
        let mut keys: Vec<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        let mut differences = Differences::default();
        for key in keys {
            let (old, new) = (value_of(&before, key), value_of(&after, key));
            if old == new && !names_file(key) || key.starts_with("budget.") {
                continue;
            }
            if names_file(key) && self.is_same_file(old, new, task.directory()) {
                continue;
            }
            let difference = Difference {
                key: key.clone(),
                before: shown(old),
                after: shown(new),
            };
            if is_free(key) {
                differences.free.push(difference);
            } else {
                differences.deciding.push(difference);
            }
        }
        if let (Some(before), Some(after)) = (&self.data, task.described.get("data")) {
            let changed = changes(before, after, task.config.sets());
            differences.deciding.extend(changed);
        }
        differences
    }

    /// Whether the rows or files that the run read have changed.
    pub fn is_of_other_data(&self, task: &TaskConfig) -> bool {
        let data = (&self.data, task.described.get("data"));
        let (Some(before), Some(after)) = data else {
            return false;
        };
        !changes(before, after, task.config.sets()).is_empty()
    }

    /// Why the run cannot go on with a connected task app: it says that it is of another version, or has other
    /// data, than when the run began. `None` if it is as it was. Only what the app says is compared: an app that
    /// says nothing, or did not answer when the run began, cannot be compared.
    pub fn other_app(&self, connected: &ConnectedTask) -> Option<String> {
        let changed = self.changes_of_app(connected);
        (!changed.is_empty()).then(|| listed(&changed))
    }

    fn changes_of_app(&self, connected: &ConnectedTask) -> Vec<Difference> {
        let before = self.data.as_ref().and_then(|data| data.get("app"));
        match (before, &connected.app) {
            (Some(before), Some(now)) => changed_app(before, now),
            _ => Vec::new(),
        }
    }

    /// Whether two paths, or lists of paths, lead to the same files, or to files with the same bytes. A
    /// file that is gone cannot be compared; then the paths as written count.
    fn is_same_file(&self, old: Option<&Json>, new: Option<&Json>, directory: &Path) -> bool {
        let (old, new) = match (old, new) {
            (Some(Json::String(old)), Some(Json::String(new))) => (old, new),
            (Some(Json::Array(old)), Some(Json::Array(new))) if old.len() == new.len() => {
                let mut pairs = old.iter().zip(new);
                return pairs.all(|(old, new)| self.is_same_file(Some(old), Some(new), directory));
            }
            _ => return old == new,
        };
        let (before, after) = (self.directory.join(old), directory.join(new));
        if before == after {
            return true;
        }
        match (std::fs::read(before), std::fs::read(after)) {
            (Ok(before), Ok(after)) => before == after,
            _ => old == new,
        }
    }
}

/// Differences as a text for people.
pub fn listed(differences: &[Difference]) -> String {
    let all = differences.iter().map(|one| {
        let (key, before, after) = (&one.key, short(&one.before), short(&one.after));
        format!("`{key}` was `{before}` and is `{after}`")
    });
    all.collect::<Vec<_>>().join("; ")
}

/// A value of a line at most.
fn short(value: &str) -> String {
    let line = value.replace('\n', " ");
    if line.chars().count() <= LONGEST_VALUE {
        return line;
    }
    let start: String = line.chars().take(LONGEST_VALUE).collect();
    format!("{start}...")
}

pub(crate) fn json(raw: &RawConfig) -> Json {
    serde_json::to_value(raw).unwrap_or_default()
}

/// The leaves of a tree, by key. An absent value is no leaf.
pub(crate) fn flatten(key: &str, value: &Json, leaves: &mut Vec<(String, Json)>) {
    match value {
        Json::Null => {}
        Json::Object(map) => {
            for (name, value) in map {
                let separator = if key.is_empty() { "" } else { "." };
                flatten(&format!("{key}{separator}{name}"), value, leaves);
            }
        }
        Json::Array(items) if items.iter().any(Json::is_object) => {
            for (position, item) in items.iter().enumerate() {
                flatten(&format!("{key}[{position}]"), item, leaves);
            }
        }
        leaf => leaves.push((key.to_owned(), leaf.clone())),
    }
}

fn value_of<'l>(leaves: &'l [(String, Json)], key: &str) -> Option<&'l Json> {
    leaves
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value)
}

fn shown(value: Option<&Json>) -> String {
    match value {
        None => "not set".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

pub(crate) fn names_file(key: &str) -> bool {
    FILES.contains(&key) || key.ends_with(".pattern_file")
}

pub(crate) fn is_free(key: &str) -> bool {
    let table = key.split(['.', '[']).next().unwrap_or_default();
    let ending = key.rsplit('.').next().unwrap_or_default();
    FREE.contains(&key)
        || FREE_TABLES.contains(&table)
        || FREE_ENDINGS
            .iter()
            .any(|free| ending == *free || ending.ends_with(&format!("_{free}")))
}
