//! Config files. Turns a TOML text with overrides into the engine's [`Config`](gepa_engine::Config)
//! and the task that it describes. Every problem names its file, line and key.

mod connect;
mod context;
mod data_digests;
mod dialect;
mod difference;
mod document;
mod job_queue;
mod key_map;
mod label_check;
mod leaves;
mod load;
mod look;
mod other_names;
mod patterns;
mod presets;
mod prices;
mod problem;
mod programs;
mod prompt;
mod prompt_check;
mod providers_check;
#[cfg(feature = "queue")]
mod queued;
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
mod task_check;
mod task_data;
mod workers;

pub use context::TASK_APP_KEY;
pub use dialect::{Dialect, DialectContext, Dialects, Translation};
pub use difference::{Difference, Differences, listed};
pub use job_queue::JobQueue;
pub use key_map::{KeyMap, begins_with, find};
pub use load::ConfigSource;
pub use look::{Looked, Seen, Unseen};
pub use problem::{ConfigError, LocatedProblem, Origin};
pub use programs::Started;
#[cfg(feature = "queue")]
pub use queued::share_limits;
pub use raw::{
    DatasetTaskSettings, EvaluatorSettings, ExampleItem, ExampleSettings, MessageSettings,
    ModelProposerSettings, PromptSettings, ProposerSettings, RawConfig,
};
pub use resume::StoredSettings;
pub use schema::{CONFIG_SCHEMA, derive_config_schema};
pub use stored_text::stored_as_toml;
pub use submitted::SubmittedConfig;
pub use task::{ConnectedTask, TaskConfig};
pub use workers::{LimitsSettings, WorkersSettings};
