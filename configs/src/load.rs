//! Loads a [`TaskConfig`] from a config file, the environment and `--set`.

use std::path::{Path, PathBuf};

use gepa_engine::Problem;
use gepa_engine::config::ScoredPrompt;
use gepa_models::{Environment, read_text};
use toml::{Table, Value};

use crate::dialect::Dialects;
use crate::document::ConfigDocument;
use crate::presets;
use crate::problem::{ConfigError, LocatedProblem, Origin, whole_file};
use crate::read::read_raw;
use crate::resolution::Resolution;
use crate::resume::StoredSettings;
use crate::submitted::SubmittedConfig;
use crate::task::TaskConfig;

/// Largest config file, in bytes.
const LARGEST_CONFIG: u64 = 16 << 20;
/// Prefix of environment variables that override keys: `GEPA__BUDGET__MAX_ROLLOUTS=100`.
const ENVIRONMENT_PREFIX: &str = "GEPA__";

/// The sources of a configuration: the file, the environment, the overrides. Later sources win over
/// earlier ones.
#[derive(Debug)]
pub struct ConfigSource<'a> {
    /// The config file.
    pub file: &'a Path,
    /// Variables `GEPA__SECTION__KEY` override `section.key`.
    pub environment: &'a Environment,
    /// `section.key=value`, as given to `--set`.
    pub overrides: &'a [String],
    /// The dialects in which a config may be written besides our own format.
    pub dialects: Dialects,
}

impl ConfigSource<'_> {
    /// Reads the config and makes all checks that need no model call.
    ///
    /// # Errors
    /// All problems that were found, each with its file, line and key.
    pub fn load(&self) -> Result<TaskConfig, ConfigError> {
        self.load_with(presets::fill)
    }

    /// Like [`load`](Self::load), to go on with a run or to branch from it. What the file leaves out and a
    /// new run would choose by its version or its slots stays as that run has it.
    ///
    /// # Errors
    /// All problems of the file, or this version cannot read the stored configuration.
    pub fn load_to_go_on(&self, stored: &serde_json::Value) -> Result<TaskConfig, ConfigError> {
        let settings = stored.get("settings").cloned().unwrap_or_default();
        let of_run = self.stored_document(settings)?.table;
        self.load_with(|table| presets::fill_from(table, &of_run))
    }

    fn load_with(&self, fill: impl Fn(&mut Table)) -> Result<TaskConfig, ConfigError> {
        let name = self.file.display().to_string();
        let text = read_text(self.file, LARGEST_CONFIG).map_err(|error| {
            let message = format!("cannot be read ({error}); give the path of a config file");
            whole_file(&name, message)
        })?;
        let document = ConfigDocument::parse(&name, &text, self.dialects)?;
        let directory = self.file.parent().unwrap_or(Path::new("")).to_owned();
        self.resolve(document, directory, fill)
    }

    /// Like [`load`](Self::load), from the config that was stored with a run. That of a run that only scored a
    /// prompt has this prompt and its examples.
    pub fn load_stored(&self, stored: &serde_json::Value) -> Result<TaskConfig, ConfigError> {
        let mut task = self.load_stored_task(stored)?;
        if let Some(scored) = ScoredPrompt::in_description(stored) {
            let unusable =
                |error| whole_file("stored config", format!("cannot be used again: {error}"));
            task.config = task.config.to_score(&scored).map_err(unusable)?;
        }
        Ok(task)
    }

    fn load_stored_task(&self, stored: &serde_json::Value) -> Result<TaskConfig, ConfigError> {
        let settings = stored.get("settings").cloned().unwrap_or_default();
        if SubmittedConfig::marks(stored) {
            let overrides = self.overrides_as_json()?;
            let environment = self.environment;
            let settings = SubmittedConfig::stored_body(&settings, self.dialects);
            return SubmittedConfig {
                body: &settings,
                overrides: &overrides,
                environment,
                dialects: self.dialects,
            }
            .load();
        }
        let directory = stored
            .get("directory")
            .and_then(|path| path.as_str())
            .unwrap_or_default();
        let document = self.stored_document(settings)?;
        let loaded = self.resolve(document, PathBuf::from(directory), presets::fill);
        // A folder that is gone, or that an earlier version stored relative to its own, is named as such.
        if loaded.is_err() && !directory.is_empty() && !Path::new(directory).is_dir() {
            return Err(whole_file(
                "stored config",
                format!(
                    "starts from the folder {directory}, which is not there; move it back, or give the config \
                     file as well"
                ),
            ));
        }
        loaded
    }

    /// What an earlier run stored of its configuration, without the overrides of now. Files of a config in
    /// our own format are not read, since the folder of the run may be gone.
    ///
    /// # Errors
    /// This version cannot read the stored configuration.
    pub fn stored_settings(
        &self,
        stored: &serde_json::Value,
    ) -> Result<StoredSettings, ConfigError> {
        let directory = stored.get("directory").and_then(|path| path.as_str());
        let directory = PathBuf::from(directory.unwrap_or_default());
        let settings = stored.get("settings").cloned().unwrap_or_default();
        let as_stored = ConfigSource {
            overrides: &[],
            ..*self
        };
        if SubmittedConfig::marks(stored) {
            let task = as_stored.load_stored(stored)?;
            return Ok(StoredSettings::new(task.raw, directory).with_data(stored));
        }
        let document = self.stored_document(settings)?;
        if document.dialect().is_none() {
            let raw = read_raw(document.table.clone(), &document)?;
            return Ok(StoredSettings::new(raw, directory).with_data(stored));
        }
        let resolution = Resolution::of_file(self.environment, directory.clone());
        let task = resolution.resolve(document)?;
        Ok(StoredSettings::new(task.raw, directory).with_data(stored))
    }

    fn stored_document(&self, settings: serde_json::Value) -> Result<ConfigDocument, ConfigError> {
        let name = "stored config";
        let table: Table = serde_json::from_value(settings).map_err(|error| {
            whole_file(
                name,
                format!("cannot be used again ({error}); give the config file"),
            )
        })?;
        let mut document = ConfigDocument::of_table(name, table, self.dialects)?.stored();
        document.fill(presets::fill_stored);
        Ok(document)
    }

    /// The overrides as they are laid over a config that came as JSON.
    fn overrides_as_json(&self) -> Result<serde_json::Map<String, serde_json::Value>, ConfigError> {
        let mut overrides = serde_json::Map::new();
        for item in self.overrides {
            let (key, value) = key_and_value(item)?;
            let value = serde_json::to_value(parse_value(value)).unwrap_or_default();
            overrides.insert(key.trim().to_owned(), value);
        }
        Ok(overrides)
    }

    fn resolve(
        &self,
        mut document: ConfigDocument,
        directory: PathBuf,
        fill: impl Fn(&mut Table),
    ) -> Result<TaskConfig, ConfigError> {
        self.lay_over(&mut document)?;
        document.fill(fill);
        Resolution::of_file(self.environment, directory).resolve(document)
    }

    fn lay_over(&self, document: &mut ConfigDocument) -> Result<(), ConfigError> {
        for (name, value) in self.environment.with_prefix(ENVIRONMENT_PREFIX) {
            let key = name[ENVIRONMENT_PREFIX.len()..]
                .to_lowercase()
                .replace("__", ".");
            document.set(
                &key,
                parse_value(value),
                Origin::Environment(name.to_owned()),
            )?;
        }
        for item in self.overrides {
            let (key, value) = key_and_value(item)?;
            let sets_nothing = document
                .dialect()
                .is_some_and(|dialect| dialect.accompanies_overrides(key.trim()));
            if !sets_nothing {
                document.set(key.trim(), parse_value(value), Origin::Set)?;
            }
        }
        Ok(())
    }
}

fn key_and_value(item: &str) -> Result<(&str, &str), ConfigError> {
    item.split_once('=').ok_or_else(|| {
        ConfigError::one(LocatedProblem {
            file: String::new(),
            line: None,
            origin: Origin::Set,
            problem: Problem::new(item, "has no value; write `section.key=value`"),
        })
    })
}

/// A TOML value if the text is one, otherwise a string, so that `--set policy.model=gpt-4.1` needs
/// no quotes.
fn parse_value(text: &str) -> Value {
    let as_toml = toml::from_str::<Table>(&format!("value = {text}"));
    let value = as_toml.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}
