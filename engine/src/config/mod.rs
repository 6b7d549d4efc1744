//! What a run is told to do.

mod problem;
mod resolved;
mod settings;

pub use problem::Problem;
pub use resolved::{Config, ExampleSets};
pub use settings::{
    Acceptance, BudgetSettings, ComponentSelection, MergeSettings, Overlap, ParentSelection,
    ReflectionSettings, RolloutSettings, RunSettings, ScheduleKind, SearchSettings, Settings,
    ValidationSettings,
};
