//! What people do to runs: the request, who may make it, and how it reaches the process that works
//! on the run.

mod control;
mod local;
mod request;
mod roles;

pub(crate) use control::pass_on;
pub use control::{ControlSocket, Reached, ask};
pub use local::{SteerError, Steered, steer_here};
pub use request::{BadRequest, SteerRequest};
pub(crate) use roles::{ACTS, role_of};
