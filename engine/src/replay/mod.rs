//! Makes the decisions of finished runs again from their journals. It makes no call and writes
//! nothing.
//!
//! [`verify`] makes every decision again and compares it with the recorded one. [`what_if`] asks
//! what other settings would have chosen: first at every recorded choice with the archive of that
//! time, then on a path of their own until a recorded outcome or reply is missing.

mod along;
mod data;
mod own_path;
mod verify;
mod what_if;

pub(crate) use data::Recorded;
pub(crate) use verify::{follow_with, read_all};

pub use along::{Along, OtherChoice};
pub use own_path::{OwnPath, PathEnd};
pub use verify::{Verified, verify};
pub use what_if::{WhatIf, what_if};
