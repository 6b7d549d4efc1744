//! The `[prompt_learning]` dialect: job files of another system, translated into this engine's terms.

mod dialect;
mod expand;
mod fit;
mod guidance;
mod key_map;
mod models;
mod prompt;
mod reader;
mod search;
mod seeds;
mod spellings;
mod task_app;
mod translate;
mod unknown;

pub(super) use dialect::{Dialect, find};
pub(super) use key_map::{KeyMap, begins_with};
pub(super) use translate::{Setting, Translation, translate};
