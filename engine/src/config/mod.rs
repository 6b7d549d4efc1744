//! What a run is told to do: from a file as typed to a configuration that cannot be invalid.

mod document;
mod load;
mod problem;
mod prompt_learning;
mod raw;
mod read;
mod resolution;
mod resolved;
mod restrict;
mod schema;
mod settings;
mod submitted;
mod surroundings;
mod task;
mod task_app;

pub use load::ConfigSource;
pub use problem::{ConfigError, LocatedProblem, Origin, Problem};
pub use raw::{
    DatasetTaskSettings, EvaluatorSettings, ExampleItem, ExampleSettings, MessageSettings,
    PromptSettings, RawConfig,
};
pub use resolved::{Config, ExampleSets};
pub use schema::config_schema;
pub use settings::{
    Acceptance, BudgetSettings, ComponentSelection, Duplicates, MergeSettings, Overlap,
    ParentSelection, ReflectionSettings, RolloutSettings, RunSettings, ScheduleKind,
    SearchSettings, Settings, Speculation, StaleChildren, ValidationSettings,
};
pub use submitted::SubmittedConfig;
pub use task::{ConnectedTask, TaskConfig};
