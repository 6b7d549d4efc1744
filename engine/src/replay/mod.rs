//! Finished runs decided again from their journals: no call is made, nothing is written.
//!
//! [`verify`] makes every decision again and compares it with the recorded one. [`what_if`] asks what
//! other settings would have chosen: at every recorded choice, from the archive as it was then, and
//! on a path of their own for as long as the recorded outcomes and replies reach.

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
