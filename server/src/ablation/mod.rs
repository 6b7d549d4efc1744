//! Ablations that people begin from the page or over HTTP: in the background, one at a time per run.

mod desk;
mod progress;
mod request;
mod unfinished;

pub(crate) use desk::Ablations;
pub(crate) use request::{AblateError, AblateRequest};
