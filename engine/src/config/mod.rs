//! The engine's settings, and a configuration that cannot be invalid.

mod problem;
mod resolved;
mod settings;

pub use problem::{InvalidConfig, Problem};
pub use resolved::{Config, ExampleSets};
pub use settings::{
    Acceptance, BudgetSettings, ComponentSelection, Duplicates, MergeSettings, Overlap,
    ParentSelection, ReflectionSettings, RolloutSettings, RunSettings, ScheduleKind,
    SearchSettings, Settings, Speculation, StaleChildren, ValidationSettings,
};
