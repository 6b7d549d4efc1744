//! Events as job clients read them: a projection of the journal, numbered on its own.

mod candidates;
mod ending;
mod envelope;
mod feed;
mod fold;
mod pace;
mod standing;
mod stream;

pub(crate) use feed::Feeds;
pub(crate) use stream::{Streams, TooManyStreams};
