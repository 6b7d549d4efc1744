//! The trait for foreign dialects of config documents. Each dialect is recognised by its tables and
//! translated into our own format.

use std::fmt;
use std::path::Path;

use gepa_engine::Problem;
use gepa_models::{ApiKey, Environment};
use toml::{Table, Value};

use crate::key_map::KeyMap;
use crate::raw::RawConfig;

/// The dialects in which a config may be written besides our own format. The first that recognises
/// a document reads it.
pub type Dialects = &'static [&'static dyn Dialect];

/// A foreign dialect of config documents. `gepa-jobs` has the one of prompt-learning clients.
///
/// **The caller** passes only documents that [`recognises`](Self::recognises) accepts to the other
/// methods. It applies overrides first, and calls `take_secrets` and `take_task_app_key` before
/// `translate`.
///
/// **The implementor** decides from the document alone. It reads only files that the document
/// names, and none if the document was submitted. It leaves no secret in the table.
pub trait Dialect: fmt::Debug + Send + Sync {
    /// Whether a document is written in this dialect.
    fn recognises(&self, table: &Table) -> bool;

    /// Whether a key that was sent among the overrides of a submission sets nothing.
    fn accompanies_overrides(&self, key: &str) -> bool;

    /// Removes the other spellings of every key that the override `key = value` sets.
    fn settle_override(&self, table: &mut Table, key: &str, value: &Value);

    /// The file with further environment variables: its key and its path, as written.
    fn environment_file(&self, table: &Table) -> Option<(String, String)>;

    /// Removes values that look like secrets, and returns their keys.
    fn take_secrets(&self, table: &mut Table) -> Vec<String>;

    /// Takes the task app's key out of the table.
    fn take_task_app_key(
        &self,
        table: &mut Table,
        environment: &Environment,
        is_submitted: bool,
    ) -> Result<Option<ApiKey>, Problem>;

    /// Translates a document. `own` lists the tables of our own format that it may have beside the
    /// foreign ones.
    fn translate(&self, table: &Table, context: DialectContext<'_>, own: &[&str]) -> Translation;

    /// Whether this document may have tables of our own format beside the foreign ones.
    fn allows_own_tables(&self, table: &Table) -> bool;

    /// The key to which problems of the document as a whole belong.
    fn root_key(&self) -> &'static str;
}

/// The surroundings of a document.
#[derive(Clone, Copy, Debug)]
pub struct DialectContext<'a> {
    /// Values of variables.
    pub environment: &'a Environment,
    /// The folder in which relative paths start.
    pub directory: &'a Path,
    /// Whether the document came over HTTP. Then it may name no local file and no variable.
    pub is_submitted: bool,
}

/// A document, translated into our own format.
#[derive(Debug)]
pub struct Translation {
    /// The settings.
    pub raw: RawConfig,
    /// The foreign key of each setting.
    pub keys: KeyMap,
    /// Keys that could not be translated. If there are any, the settings serve only to find more
    /// problems.
    pub problems: Vec<Problem>,
    /// Notes for the author that are no problems.
    pub notes: Vec<Problem>,
    /// The folder for result files, as written.
    pub results_folder: Option<String>,
}

/// The dialect of a document; `None` for our own format.
pub(crate) fn dialect_of(dialects: Dialects, table: &Table) -> Option<&'static dyn Dialect> {
    let mut dialects = dialects.iter().copied();
    dialects.find(|dialect| dialect.recognises(table))
}
