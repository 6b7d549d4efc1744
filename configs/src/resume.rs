//! Where a config differs from the one a run stored, and which differences a run allows.

use std::path::{Path, PathBuf};

use gepa_engine::config::BudgetSettings;
use gepa_models::read_bounded;
use serde_json::Value as Json;

use crate::data_digests::{changed_app, changes};
use crate::difference::{Difference, Differences, listed};
use crate::leaves::{flatten, is_free, json, names_file};
use crate::raw::RawConfig;
use crate::task::{ConnectedTask, TaskConfig};

/// The configuration that a run stored.
#[derive(Clone, Debug)]
pub struct StoredSettings {
    raw: RawConfig,
    directory: PathBuf,
    /// Digests of what the run read; `None` if an earlier version began it.
    data: Option<Json>,
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
        let read = |path: &Path| read_bounded(path, u64::MAX);
        match (read(&before), read(&after)) {
            (Ok(before), Ok(after)) => before == after,
            _ => old == new,
        }
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
