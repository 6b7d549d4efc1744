//! The result files of a job, under the names and in the shapes job queues read.

mod curve;
mod files;
mod history;
mod outcome;

pub use curve::Curve;
pub use files::{Written, write_files};
pub use history::History;
pub use outcome::Outcome;
