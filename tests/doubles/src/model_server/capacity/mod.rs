//! A provider whose capacity nobody is told and which changes over time: so many calls at once, so
//! many requests and tokens a minute, refused or queued beyond that.

mod bucket;
mod oracle;
mod plan;
mod state;

pub use state::{Capacity, Verdict};

pub use oracle::oracle;
pub use plan::{CapacityPlan, Demand, Overload, Period};
pub use state::PeriodBooks;
