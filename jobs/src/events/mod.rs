//! Events as job clients read them: a projection of the journal, numbered on its own.

mod candidates;
mod ending;
mod envelope;
mod fold;
mod pace;
mod standing;

pub use envelope::{ApiEvent, Draft};
pub use fold::{EventFold, MetricPoint};
