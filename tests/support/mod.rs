//! A folder with a task, the binary run in it, and a model that learns.

mod backend;
mod model;
mod workspace;

pub(crate) use backend::{Backend, Job};
pub(crate) use model::{Server, answer};
pub(crate) use workspace::{Finished, Workspace, number, sum};
