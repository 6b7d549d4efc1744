//! Configs that arrive over HTTP.

use gepa_models::Environment;
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use crate::dialect::Dialects;
use crate::document::ConfigDocument;
use crate::presets;
use crate::problem::{ConfigError, Origin, whole_file};
use crate::resolution::Resolution;
use crate::task::TaskConfig;

/// The name of the document in errors.
const NAME: &str = "config_body";

/// A config that arrived over HTTP. It may name no local command, no local file, and no environment
/// variable except the default ones. It may send a key only to the key's provider.
///
/// A task app's key in the body is kept in memory only. [`TaskConfig::described`] and
/// [`TaskConfig::config_body`] do not contain it.
#[derive(Clone, Copy)]
pub struct SubmittedConfig<'a> {
    /// The tables of a config file: `{"prompt_learning": {...}}`, or those of our own format.
    pub body: &'a Json,
    /// Dotted keys and the values that replace those of the body. Applying them twice changes
    /// nothing.
    pub overrides: &'a Map<String, Json>,
    /// Where provider keys and addresses come from.
    pub environment: &'a Environment,
    /// The dialects in which a config may be written besides our own format.
    pub dialects: Dialects,
}

impl std::fmt::Debug for SubmittedConfig<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SubmittedConfig")
            .finish_non_exhaustive()
    }
}

impl SubmittedConfig<'_> {
    /// Makes all checks that need no model call.
    ///
    /// # Errors
    /// All problems that were found, each with its key.
    pub fn load(&self) -> Result<TaskConfig, ConfigError> {
        let Some(Value::Table(table)) = to_toml(self.body) else {
            return Err(whole_file(
                NAME,
                "must be an object such as {\"prompt_learning\": {...}}".to_owned(),
            ));
        };
        let mut document = ConfigDocument::of_table(NAME, table, self.dialects)?;
        for (key, value) in self.overrides {
            let mut dialects = self.dialects.iter();
            let sets_nothing = dialects.any(|dialect| dialect.accompanies_overrides(key));
            if let Some(value) = to_toml(value).filter(|_| !sets_nothing) {
                document.set(key, value, Origin::Override)?;
            }
        }
        document.fill(presets::fill);
        Resolution::of_submission(self.environment).resolve(document)
    }

    /// The body as it was stored, with what it meant then.
    pub(crate) fn stored_body(settings: &Json, dialects: Dialects) -> Json {
        let Some(Value::Table(table)) = to_toml(settings) else {
            return settings.clone();
        };
        let filled = ConfigDocument::of_table(NAME, table, dialects).map(|mut document| {
            document.fill(presets::fill_stored);
            serde_json::to_value(document.table).unwrap_or_default()
        });
        filled.unwrap_or_else(|_| settings.clone())
    }

    /// Whether a stored description is that of a submitted config.
    pub fn marks(described: &Json) -> bool {
        described
            .get("submitted")
            .and_then(Json::as_bool)
            .unwrap_or_default()
    }
}

/// JSON as TOML. Null values are left out, since clients send null for keys that are not set.
pub(crate) fn to_toml(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64()?),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().filter_map(to_toml).collect()),
        Json::Object(map) => {
            let entries = map
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), to_toml(value)?)));
            Value::Table(entries.collect::<Table>())
        }
    })
}
