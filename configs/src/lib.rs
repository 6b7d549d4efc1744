//! Config files. Turns a TOML text with overrides into the engine's [`Config`](gepa_engine::Config)
//! and the task that it describes. Every problem names its file, line and key.

mod context;
mod data_digests;
mod dialect;
mod document;
mod key_map;
mod load;
mod look;
mod other_names;
mod patterns;
mod presets;
mod prices;
mod problem;
mod prompt;
mod prompt_check;
mod raw;
mod read;
mod resolution;
mod restrict;
mod resume;
mod schema;
mod stored_text;
mod submitted;
mod task;
mod task_app;
mod task_data;
mod workers;

pub use context::TASK_APP_KEY;
pub use dialect::{Dialect, DialectContext, Dialects, Translation};
pub use key_map::{KeyMap, begins_with, find};
pub use load::ConfigSource;
pub use look::{Looked, Seen, Unseen};
pub use problem::{ConfigError, LocatedProblem, Origin};
pub use raw::{
    DatasetTaskSettings, EvaluatorSettings, ExampleItem, ExampleSettings, MessageSettings,
    ModelProposerSettings, PromptSettings, ProposerSettings, RawConfig,
};
pub use resume::{Difference, Differences, StoredSettings, listed};
pub use schema::config_schema;
pub use stored_text::stored_as_toml;
pub use submitted::SubmittedConfig;
pub use task::{ConnectedTask, TaskConfig};
#[cfg(feature = "queue")]
pub use workers::share_limits;
pub use workers::{JobQueue, LimitsSettings, WorkersSettings};
