//! What all connections of a server share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::behaviour::Behaviour;
use super::capacity::Capacity;
use super::ledger::Books;
use super::reply::ModelReply;
use super::request::ModelCall;

type Handler = Box<dyn Fn(&ModelCall) -> ModelReply + Send + Sync>;
type Latency = Box<dyn Fn(&ModelCall) -> Duration + Send + Sync>;

/// The data that all connections of a server share.
pub(super) struct Shared {
    pub(super) handler: Handler,
    pub(super) latency: Latency,
    pub(super) behaviour: Mutex<Arc<Behaviour>>,
    pub(super) capacity: Option<Mutex<Capacity>>,
    pub(super) is_chunked: bool,
    pub(super) is_controlled: bool,
    pub(super) books: Mutex<Books>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ModelServer")
            .field("behaviour", &self.behaviour)
            .field("books", &self.books)
            .finish_non_exhaustive()
    }
}
