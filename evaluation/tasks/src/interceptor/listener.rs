//! The address of the interceptor.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::body::BodyMemory;
use super::call::handle;
use super::registry::Registry;
use crate::http_listener::serve;

/// An address that is served until this is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    serving: AbortHandle,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves the leases of `registry` on `listener`.
pub(super) fn listen(listener: TcpListener, registry: Arc<Registry>) -> io::Result<Listening> {
    let address = listener.local_addr()?;
    tracing::debug!(%address, "the interceptor listens");
    let memory = BodyMemory::new();
    let service = service_fn(move |request| {
        let (registry, memory) = (Arc::clone(&registry), memory.clone());
        async move { Ok::<_, Infallible>(handle(request, registry, memory).await) }
    });
    let serving = tokio::spawn(async move {
        let (_open, closing) = watch::channel(false);
        serve(listener, service, closing).await;
    });
    Ok(Listening {
        address,
        serving: serving.abort_handle(),
    })
}
