//! Events of jobs: cached, brought up to date with the store, and streamed.

mod feed;
mod stream;

pub(crate) use feed::Feeds;
pub(crate) use stream::{Streams, TooManyStreams};
