//! Candidates evaluated by HTTP task apps, whose model calls go through the interceptor.
//!
//! The app runs the task with its own prompt; the candidate enters on the way to the model. An app's
//! answer says what a rollout is worth only if the interceptor's record says that the model
//! answered: apps are known to turn failed calls into a reward of zero.

mod calls;
mod client;
mod error;
mod evaluator;
mod feedback;
mod preflight;
mod request;
mod response;
mod settings;
mod trace;
mod verdict;

pub use error::TaskAppError;
pub use evaluator::{TaskAppEvaluator, TaskAppParts};
pub(crate) use response::RolloutResponse;
pub use settings::{PipelineModule, TaskAppSettings};
