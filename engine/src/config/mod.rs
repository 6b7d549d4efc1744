//! The engine's settings, and a configuration that cannot be invalid.

mod growing;
mod problem;
mod reflection;
mod resolved;
mod rules;
mod settings;

pub use growing::{Evaluation, GrowingSettings};
pub use problem::{InvalidConfig, Problem};
pub use reflection::{ReflectionSettings, ReplyReading};
pub use resolved::{Config, ExampleSets};
pub use rules::SearchRules;
pub use settings::{
    Acceptance, BudgetSettings, ComponentSelection, Duplicates, FinalSettings, MergeSettings,
    Overlap, ParentSelection, RolloutSettings, RunSettings, ScheduleKind, SearchSettings, Settings,
    Speculation, StaleChildren, ValidationSettings,
};
