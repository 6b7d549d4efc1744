//! The result files of a job, in the shapes that job queues read.

mod curve;
mod files;
mod history;
mod outcome;

pub use curve::Curve;
pub use files::{Written, write_files};
pub use history::History;
pub use outcome::Outcome;
