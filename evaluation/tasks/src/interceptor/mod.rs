//! Stands between task apps and model providers: puts candidates into what the apps send.
//!
//! A rollout attempt opens a [`Lease`], whose address the app is told to send its model calls to.
//! Each call is changed by the [`substitution`](SubstitutionPlan), forwarded with the run's policy
//! through the limits all runs share, answered within the app's patience, and written down. What a
//! rollout is worth is judged from that record, since apps may hide what went wrong.

mod answer;
mod body;
mod call;
mod error;
mod lease;
mod listener;
mod record;
mod registry;
mod route;
mod service;
mod streaming;
mod substitution;
mod telemetry;

pub use error::InterceptorError;
pub use lease::{Lease, LeaseTerms};
pub use record::{CallOutcome, CallRecord};
pub use service::Interceptor;
pub use substitution::{Placed, Refusal, Rule, Substitution, SubstitutionPlan};
