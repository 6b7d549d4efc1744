//! Support for tests of the binary: a folder with a task, the running binary, a model that learns.

mod backend;
mod model;
mod workspace;

pub(crate) use backend::{Backend, Job};
pub(crate) use model::{Server, answer, is_reflection};
pub(crate) use workspace::{Finished, Running, Workspace, number, sum};
