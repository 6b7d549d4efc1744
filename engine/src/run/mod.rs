//! Runs: how they are assembled, started, resumed, steered, watched and ended.

mod abandon;
mod branch;
mod builder;
mod call;
mod dispatch;
mod driver;
mod error;
mod facts;
mod handle;
mod in_flight;
mod journal;
mod known;
mod pace;
mod reflection;
mod replay;
mod result;
mod resumption;
mod row;
mod spend;
mod trouble;

pub use abandon::abandon;
pub use branch::BranchPoint;
pub use builder::{Run, RunBuilder};
pub use error::RunError;
pub use handle::{RunControl, RunHandle};
pub(crate) use replay::Replay;
pub use result::{RunEnd, RunResult};
pub use trouble::{Trouble, TroubleWatch};
