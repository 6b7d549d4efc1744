//! The seam for foreign dialects of config documents: each is recognised by its tables and translated
//! into our own.

use std::fmt;
use std::path::Path;

use gepa_engine::Problem;
use gepa_models::{ApiKey, Environment};
use toml::{Table, Value};

use crate::key_map::KeyMap;
use crate::raw::RawConfig;

/// The dialects a config may be written in beside our own; the first that recognises a document
/// reads it.
pub type Dialects = &'static [&'static dyn Dialect];

/// A foreign dialect of config documents. `gepa-jobs` has the one of prompt-learning clients.
///
/// **The caller** asks every method only about documents that [`recognises`](Self::recognises)
/// accepts, applies overrides first, and calls `take_secrets` and `take_task_app_key` before
/// `translate`.
///
/// **The implementor** decides from the document alone, reads no file except those named in the
/// document (none if it was submitted), and leaves no secret in the table.
pub trait Dialect: fmt::Debug + Send + Sync {
    /// Whether a document is written in this dialect.
    fn recognises(&self, table: &Table) -> bool;

    /// Whether a key given among the overrides of a submission only accompanies them and sets nothing.
    fn accompanies_overrides(&self, key: &str) -> bool;

    /// Removes every other spelling of a key that was overridden with this value.
    fn settle_override(&self, table: &mut Table, key: &str, value: &Value);

    /// The file with further environment variables: its key and its path, as typed.
    fn environment_file(&self, table: &Table) -> Option<(String, String)>;

    /// Takes out what looks like a secret; gives the keys it stood under.
    fn take_secrets(&self, table: &mut Table) -> Vec<String>;

    /// Takes the task app's key out of the table.
    fn take_task_app_key(
        &self,
        table: &mut Table,
        environment: &Environment,
        is_submitted: bool,
    ) -> Result<Option<ApiKey>, Problem>;

    /// Translates a document. `own` names tables of our own dialect that may stand beside the
    /// foreign ones.
    fn translate(&self, table: &Table, context: DialectContext<'_>, own: &[&str]) -> Translation;

    /// Whether our own tables may stand beside the foreign ones in this document.
    fn allows_own_tables(&self, table: &Table) -> bool;

    /// The key to which problems of the document as a whole belong.
    fn root_key(&self) -> &'static str;
}

/// What surrounds a document.
#[derive(Clone, Copy, Debug)]
pub struct DialectContext<'a> {
    /// Values of variables.
    pub environment: &'a Environment,
    /// Where relative paths start.
    pub directory: &'a Path,
    /// Whether the document came over HTTP: it may then name no local file and no variable.
    pub is_submitted: bool,
}

/// A document in our own terms.
#[derive(Debug)]
pub struct Translation {
    /// The settings.
    pub raw: RawConfig,
    /// Where each setting came from.
    pub keys: KeyMap,
    /// What could not be translated. If there is any, the rest only serves to find more problems.
    pub problems: Vec<Problem>,
    /// What the author should know although nothing is wrong.
    pub notes: Vec<Problem>,
    /// The folder for result files, as typed.
    pub results_folder: Option<String>,
}

/// The dialect a document is written in; `None` for our own.
pub(crate) fn dialect_of(dialects: Dialects, table: &Table) -> Option<&'static dyn Dialect> {
    let mut dialects = dialects.iter().copied();
    dialects.find(|dialect| dialect.recognises(table))
}
