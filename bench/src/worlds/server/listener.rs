//! The server and its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::books::Books;
use super::routes::route;
use super::state::State;
use crate::worlds::{Conditions, Family};

/// A running server of any number of worlds. Dropping it stops the server.
///
/// Needs a tokio runtime that keeps running while clients call. `bench/README.md` describes its
/// paths.
#[derive(Debug)]
pub struct WorldServer {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl WorldServer {
    /// Listens on `address`; port 0 takes a free port.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            accepting: accepting.abort_handle(),
        })
    }

    /// Listens on a free port of the loopback interface.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for the client of a run, including `/v1`.
    pub fn base_url(&self, family: Family, seed: u64, run: &str) -> String {
        format!("http://{}/w/{family}/{seed}/{run}/v1", self.address)
    }

    /// Replaces latency, capacity and faults, as `POST /control` does.
    pub fn control(&self, conditions: Conditions) {
        self.state.control(conditions);
    }

    /// The current books of a run.
    pub fn books(&self, family: Family, seed: u64, run: &str) -> Books {
        self.state.run((family, seed), run).ledger.books()
    }
}

impl Drop for WorldServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves until it is aborted. Its connections end with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, Arc::clone(&state)));
            }
            // The usual cause is that file descriptors have run out until other connections close.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // Answers are small and must not wait for further data.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| route(request, Arc::clone(&state)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error means that the connection was closed on purpose or by the client.
    let _ended = connection.await;
}
