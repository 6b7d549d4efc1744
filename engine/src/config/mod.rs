//! The engine's settings, and a configuration that cannot be invalid.

mod budget;
mod checks;
mod ending;
mod growing;
mod problem;
mod reflection;
mod removed;
mod resolved;
mod rules;
mod scored;
mod seeds;
mod sets;
mod settings;
mod texts;

pub use budget::BudgetSettings;
pub use ending::{FinalSettings, ValidationSettings};
pub use growing::{Evaluation, GrowingSettings, RowOrder};
pub use problem::{InvalidConfig, Problem};
pub use reflection::{CopiedExamples, ReflectionSettings, ReplyReading, RewriteMode};
pub use resolved::Config;
pub use rules::SearchRules;
pub use scored::ScoredPrompt;
pub use sets::ExampleSets;
pub use settings::{
    Acceptance, ComponentSelection, Duplicates, MergeSettings, Overlap, ParentSelection,
    RolloutSettings, RunSettings, ScheduleKind, SearchSettings, Settings, Speculation,
    StaleChildren,
};
pub use texts::TextSettings;

pub(crate) use removed::removed_values;
