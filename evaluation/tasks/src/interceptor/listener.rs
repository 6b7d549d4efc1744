//! Accepting connections, a bounded number of them, each within limits.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::body::BodyMemory;
use super::call::handle;
use super::registry::Registry;

/// Connections served at once; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 1024;

/// How long the head of a request may take, idle time between requests included.
const HEAD_TIME: Duration = Duration::from_mins(1);

/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// An address that is served until this is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    accepting: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves the leases of `registry` on `listener`.
pub(super) fn listen(listener: TcpListener, registry: Arc<Registry>) -> io::Result<Listening> {
    let address = listener.local_addr()?;
    tracing::debug!(%address, "the interceptor listens");
    let accepting = tokio::spawn(accept(listener, registry));
    Ok(Listening {
        address,
        accepting: accepting.abort_handle(),
    })
}

async fn accept(listener: TcpListener, registry: Arc<Registry>) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let memory = BodyMemory::new();
    let mut connections = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let (registry, memory) = (Arc::clone(&registry), memory.clone());
                connections.spawn(async move {
                    serve(stream, registry, memory).await;
                    drop(slot);
                });
            }
            // Most likely no file descriptor is free; other connections have to close first.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, registry: Arc<Registry>, memory: BodyMemory) {
    // Answers are small, so they are sent without delay.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let (registry, memory) = (Arc::clone(&registry), memory.clone());
        async move { Ok::<_, Infallible>(handle(request, registry, memory).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection of the interceptor ended: {error}");
    }
}
