//! A folder with a task, the binary run in it, and a model that learns.

mod model;
mod workspace;

pub(crate) use model::{Server, answer};
pub(crate) use workspace::{Workspace, number, sum};
