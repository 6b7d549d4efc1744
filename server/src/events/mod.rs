//! Events of jobs, kept, caught up with the store, and streamed.

mod feed;
mod stream;

pub(crate) use feed::Feeds;
pub(crate) use stream::{Streams, TooManyStreams};
