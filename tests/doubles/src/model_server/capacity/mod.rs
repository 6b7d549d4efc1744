//! A provider with a hidden capacity that changes over time: a number of calls at once, and of
//! requests and tokens a minute. Calls beyond it are refused or queued.

mod bucket;
mod oracle;
mod plan;
mod state;

pub use state::{Capacity, Verdict};

pub use oracle::oracle;
pub use plan::{CapacityPlan, Demand, Overload, Period};
pub use state::PeriodBooks;
