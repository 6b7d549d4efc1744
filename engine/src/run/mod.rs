//! Runs: how they are assembled, started, resumed, steered, watched and ended.

mod abandon;
mod branch;
mod builder;
mod call;
mod commands;
mod dispatch;
mod driver;
mod error;
mod facts;
mod handle;
mod in_flight;
mod journal;
mod known;
mod orders;
mod pace;
mod reflection;
mod replay;
mod result;
mod resumption;
mod row;
mod spend;
mod steering;
mod stepped;
mod trouble;

pub use abandon::abandon;
pub use branch::BranchPoint;
pub use builder::{Run, RunBuilder};
pub use error::RunError;
pub use handle::{RunControl, RunHandle};
pub use orders::{Order, ReflectionOrder, Rewritten, TrialOrder};
pub(crate) use replay::Replay;
pub use result::{RunEnd, RunResult};
pub use steering::steer_at_rest;
pub use stepped::{SteppedRun, Steps};
pub use trouble::{Trouble, TroubleWatch};
