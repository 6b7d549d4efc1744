//! Candidates evaluated by HTTP task apps, whose model calls go through the interceptor.
//!
//! The app runs the task with its own prompt. The interceptor puts the candidate into the calls to
//! the model. The app's reward counts only if the interceptor's record shows that the model
//! answered, because some apps turn failed calls into a reward of zero.

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
pub use preflight::AppFacts;
pub(crate) use response::RolloutResponse;
pub use settings::{PipelineModule, TaskAppSettings};
