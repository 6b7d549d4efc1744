//! Tasks on real texts without a language model: the policy applies a sheet of word rules, and the
//! reflection model writes such rules from the failures in its prompt and from a vague idea of which
//! words go with which label.

mod belief;
mod corpus;
mod models;
mod reflector;
mod sheet;
mod task;
mod words;

pub use corpus::{Corpus, CorpusError, UnknownCorpus};
pub use models::twins;
pub use task::{Sizes, TextTask};
