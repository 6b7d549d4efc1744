//! Stands between task apps and model providers: puts candidates into what the apps send.
//!
//! A rollout attempt opens a [`Lease`]. The app sends its model calls to the lease's address. The
//! interceptor changes each call by the [`substitution`](SubstitutionPlan), forwards it with the
//! run's policy through the limits all runs share, answers within the time the app allows, and
//! records the call. The rollout's verdict uses that record, because apps may hide failed calls.

mod answer;
mod body;
mod call;
mod error;
mod lease;
mod listener;
mod open_call;
mod record;
mod registry;
mod route;
mod service;
mod streaming;
mod substitution;
mod telemetry;

pub use error::InterceptorError;
pub use lease::Lease;
pub use record::{CallOutcome, CallRecord};
pub use registry::LeaseTerms;
pub use service::Interceptor;
pub use substitution::{Placed, Refusal, Rule, Substitution, SubstitutionPlan};
