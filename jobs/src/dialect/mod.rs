//! The `[prompt_learning]` dialect: job files of another system, translated into our own config.

mod expand;
mod fit;
mod form;
mod guidance;
mod models;
mod pipeline;
mod prompt;
mod reader;
mod search;
mod seeds;
mod spellings;
mod task_app;
mod translate;
mod unknown;

use gepa_configs::{Dialect, DialectContext, Translation};
use gepa_engine::Problem;
use gepa_models::{ApiKey, Environment};
use toml::{Table, Value};

use form::Form;
use translate::translate;

/// The dialect of prompt-learning job files, for the config loader.
#[derive(Debug)]
pub struct PromptLearning;

/// The table that holds the dialect's keys.
pub(crate) const ROOT: &str = "prompt_learning";

impl Dialect for PromptLearning {
    fn recognises(&self, table: &Table) -> bool {
        Form::of(table).is_some()
    }

    fn accompanies_overrides(&self, key: &str) -> bool {
        Form::is_no_override(key)
    }

    fn settle_override(&self, table: &mut Table, key: &str, value: &Value) {
        form(table).settle_override(table, key, value);
    }

    fn environment_file(&self, table: &Table) -> Option<(String, String)> {
        form(table).environment_file(table)
    }

    fn take_secrets(&self, table: &mut Table) -> Vec<String> {
        form(table).take_secrets(table)
    }

    fn take_task_app_key(
        &self,
        table: &mut Table,
        environment: &Environment,
        is_submitted: bool,
    ) -> Result<Option<ApiKey>, Problem> {
        form(table).take_task_app_key(table, environment, is_submitted)
    }

    fn translate(&self, table: &Table, context: DialectContext<'_>, own: &[&str]) -> Translation {
        translate(table, form(table), context, own)
    }

    fn allows_own_tables(&self, table: &Table) -> bool {
        form(table) == Form::Table
    }

    fn root_key(&self) -> &'static str {
        ROOT
    }
}

/// The form of a document that is known to be in the dialect.
fn form(table: &Table) -> Form {
    Form::of(table).unwrap_or(Form::Root)
}
