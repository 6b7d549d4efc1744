//! Accepts a bounded number of HTTP connections and serves each within limits of size and time. The
//! interceptor and the server of jobs are served with it.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections served at once; further connections wait to be accepted.
const MOST_CONNECTIONS: usize = 1_024;
/// Time limit for the head of a request, including the idle time before it.
const HEAD_TIME: Duration = Duration::from_mins(1);
/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 << 10;
/// Pause after a failed accept. The usual cause is that file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Time that started answers get when the listener closes.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Serves connections of `listener` until `closing`, and then for at most five seconds more until the
/// started answers have been sent. A dropped future cuts all connections off.
pub async fn serve<S, B>(listener: TcpListener, service: S, mut closing: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = closed(&mut closing) => break,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (slot, Ok((stream, _))) => {
                let (service, closing) = (service.clone(), closing.clone());
                connections.spawn(async move {
                    connection(stream, service, closing).await;
                    drop(slot);
                });
            }
            (_, Err(error)) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    let last = async { while connections.join_next().await.is_some() {} };
    // Answers that take longer are cut off.
    let _ = tokio::time::timeout(LAST_ANSWERS, last).await;
}

async fn connection<S, B>(stream: TcpStream, service: S, mut closing: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    // Answers and events are small and must not wait for further data.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = closed(&mut closing) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("a connection ended: {error}");
    }
}

async fn closed(closing: &mut watch::Receiver<bool>) {
    // A dropped sender means that the owner has been dropped: that counts as closing too.
    let _ = closing.wait_for(|closing| *closing).await;
}
