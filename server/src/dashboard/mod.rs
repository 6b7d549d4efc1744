//! The pages that show runs, and the data behind them. `gepa serve`, `gepa open` and `gepa report`
//! share both: a page asks for [`Resource`]s, a server answers them one at a time, and a report
//! holds all that it needs.

mod ablation_routes;
mod assets;
mod blame;
mod candidate;
mod content;
mod deletion;
mod failures;
mod matrix;
mod overview;
mod report;
mod resource;
mod rollout;
mod rollout_index;
mod routes;
mod run_rows;
mod runs;
mod slots;
mod source;
mod verdict;
mod viewer;
mod views;

pub use blame::{Birth, Blame, BlamedLine, Cause};
pub use content::{Content, ViewError};
pub use deletion::{DeleteError, delete_run};
pub use report::{ReportError, write_comparison, write_report};
pub use resource::{ExampleSet, Part, Resource};
pub use runs::{NewestRuns, RunEntry, RunSelection, state_of};
pub use verdict::BestOfRuns;
pub use viewer::Viewer;
pub use views::Views;

pub(crate) use assets::is_shell;
pub(crate) use routes::table;
pub(crate) use source::{Helm, Source};
