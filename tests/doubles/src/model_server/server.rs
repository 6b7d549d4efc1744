//! The server: its settings, its start and its end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::behaviour::Behaviour;
use super::capacity::{Capacity, CapacityPlan, PeriodBooks};
use super::connection;
use super::fault::FaultPlan;
use super::ledger::{Books, Ledger};
use super::reply::ModelReply;
use super::request::ModelCall;
use super::shared::Shared;

/// A running server. Dropping it stops the server.
///
/// Needs a tokio runtime that keeps running while clients call.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// The settings of a server to be started.
pub struct ModelServerBuilder {
    shared: Shared,
}

impl ModelServer {
    /// A server that answers each call with its last message's text.
    pub fn echoing() -> ModelServerBuilder {
        Self::answering(|call| ModelReply::text(call.last_message()))
    }

    /// A server that answers each call with what `handler` returns.
    pub fn answering(
        handler: impl Fn(&ModelCall) -> ModelReply + Send + Sync + 'static,
    ) -> ModelServerBuilder {
        ModelServerBuilder {
            shared: Shared {
                handler: Box::new(handler),
                latency: Box::new(|_| Duration::ZERO),
                behaviour: Mutex::default(),
                capacity: None,
                is_chunked: false,
                is_controlled: false,
                books: Mutex::new(Books::keeping(64)),
            },
        }
    }

    /// The base URL for a client, including `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counts so far. A reply is counted before its last byte is sent, so a client that has
    /// read a reply finds it here.
    pub fn ledger(&self) -> Ledger {
        self.shared.books.lock().ledger()
    }
}

impl ModelServer {
    /// The counts of each period of the [`capacity`](ModelServerBuilder::capacity); empty without a
    /// capacity.
    pub fn periods(&self) -> Vec<PeriodBooks> {
        let capacity = self.shared.capacity.as_ref();
        capacity.map_or_else(Vec::new, |capacity| capacity.lock().books().to_vec())
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ModelServerBuilder {
    /// Sets which calls get which fault.
    #[must_use]
    pub fn faults(self, plan: FaultPlan) -> Self {
        *self.shared.behaviour.lock() = Arc::new(Behaviour::with_faults(plan));
        self
    }

    /// Sets the capacity of the server. It serves calls in the plan's times, in addition to any
    /// latency, and refuses or queues calls beyond the capacity.
    #[must_use]
    pub fn capacity(mut self, plan: CapacityPlan) -> Self {
        self.shared.capacity = Some(Mutex::new(Capacity::new(plan)));
        self
    }

    /// Sets how long each call takes.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        self.latency_by(move |_| latency)
    }

    /// Sets how long a call takes, as a function of the call.
    #[must_use]
    pub fn latency_by(
        mut self,
        latency: impl Fn(&ModelCall) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.shared.latency = Box::new(latency);
        self
    }

    /// Sends replies in chunks instead of with a content length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.shared.is_chunked = true;
        self
    }

    /// Also serves `GET /ledger?calls=N`, the counts with the last N calls, and `POST /control`,
    /// which replaces the behaviour; see [`Behaviour`].
    #[must_use]
    pub fn controlled(mut self) -> Self {
        self.shared.is_controlled = true;
        self
    }

    /// Sets how many of the latest calls the ledger keeps; 64 by default.
    #[must_use]
    pub fn keeping(self, calls: usize) -> Self {
        *self.shared.books.lock() = Books::keeping(calls);
        self
    }

    /// Listens on a free port of the loopback interface.
    pub async fn start(self) -> io::Result<ModelServer> {
        self.start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens on `address`.
    pub async fn start_on(self, address: SocketAddr) -> io::Result<ModelServer> {
        let listener = TcpListener::bind(address).await?;
        let bound_address = listener.local_addr()?;
        let shared = Arc::new(self.shared);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(ModelServer {
            address: bound_address,
            shared,
            accepting: accepting.abort_handle(),
        })
    }
}

impl fmt::Debug for ModelServerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(formatter)
    }
}

/// Serves until it is aborted. Its connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection::serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
