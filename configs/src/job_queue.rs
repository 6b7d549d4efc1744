//! The queue that the jobs of a server share.

/// A connection to the queue through which the jobs of a server hand their rollouts to workers. Made by
/// [`JobQueue::connect`], in builds with the feature `queue`.
#[derive(Clone, Debug)]
pub struct JobQueue {
    #[cfg(feature = "queue")]
    pub(crate) queue: std::sync::Arc<gepa_queue::Queue>,
    #[cfg(not(feature = "queue"))]
    never: std::convert::Infallible,
}

#[cfg(not(feature = "queue"))]
impl JobQueue {
    /// Cannot be called: there is no queue in this build.
    pub(crate) fn unreachable(&self) -> ! {
        match self.never {}
    }
}
