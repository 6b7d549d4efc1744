//! Configs that arrive over HTTP.

use gepa_models::Environment;
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use crate::dialect::Dialects;
use crate::document::ConfigDocument;
use crate::load::whole_file;
use crate::problem::{ConfigError, Origin};
use crate::resolution::Resolution;
use crate::task::TaskConfig;

/// What errors call the document.
const NAME: &str = "config_body";

/// A config that arrived over HTTP: it may name no local command, no local file, no variable of the
/// environment beyond the default ones, and may send no key anywhere but to its provider.
///
/// A task app's key in the body is held in memory only; [`TaskConfig::described`] and
/// [`TaskConfig::config_body`] are without it.
#[derive(Clone, Copy)]
pub struct SubmittedConfig<'a> {
    /// The tables of a config file: `{"prompt_learning": {...}}`, or those of our own dialect.
    pub body: &'a Json,
    /// Dotted keys and their values, laid over the body; applying them twice changes nothing.
    pub overrides: &'a Map<String, Json>,
    /// Where provider keys and addresses come from.
    pub environment: &'a Environment,
    /// The dialects a config may be written in beside our own.
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
    /// Checks everything that can be checked without calling a model.
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
        Resolution::of_submission(self.environment).resolve(document)
    }

    /// Whether a stored description is one of a submitted config.
    pub fn marks(described: &Json) -> bool {
        described
            .get("submitted")
            .and_then(Json::as_bool)
            .unwrap_or_default()
    }
}

/// JSON as TOML; what is null is left out, for that is how clients write what is not set.
fn to_toml(json: &Json) -> Option<Value> {
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
