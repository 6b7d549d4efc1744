//! Events as job clients read them: a projection of the journal with its own numbers.

mod candidates;
mod envelope;
mod final_events;
mod fold;
mod minibatches;
mod pace;
mod progress;

pub use envelope::{ApiEvent, Draft};
pub use fold::{EventFold, MetricPoint};
