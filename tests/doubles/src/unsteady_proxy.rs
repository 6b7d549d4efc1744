//! A proxy that disturbs the connections through it: it delays, truncates and cuts them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// No limit on the bytes that go through.
const ALL: u64 = u64::MAX;

/// Passes connections on to a port of this machine.
pub struct UnsteadyProxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    to: u16,
    delay_millis: AtomicU64,
    /// Bytes that still go through; connections are cut in the middle of what comes after them.
    left: AtomicU64,
    /// Counts cuts; connections that began before the last one are closed.
    cuts: watch::Sender<u64>,
}

impl UnsteadyProxy {
    /// Listens on a free port and passes on to `to`.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(to: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            to,
            delay_millis: AtomicU64::new(0),
            left: AtomicU64::new(ALL),
            cuts: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            port,
            shared,
            accepting,
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Delays each piece of data by this time from now on.
    pub fn delay(&self, delay: Duration) {
        let millis = delay.as_millis() as u64;
        self.shared.delay_millis.store(millis, Ordering::Relaxed);
    }

    /// Closes all connections; new ones are accepted.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets `bytes` more bytes through, then closes all connections in the middle of a message. New ones
    /// work again.
    pub fn truncate_after(&self, bytes: u64) {
        self.shared.left.store(bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for UnsteadyProxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("UnsteadyProxy");
        out.field("port", &self.port).finish_non_exhaustive()
    }
}

impl Drop for UnsteadyProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut cuts = shared.cuts.subscribe();
            let Ok(server) = TcpStream::connect(("127.0.0.1", shared.to)).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = pass(from_client, to_server, &shared) => {}
                () = pass(from_server, to_client, &shared) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    shared: &Shared,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        let delay = shared.delay_millis.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let left = shared.left.load(Ordering::Relaxed);
        let passed = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        if to.write_all(&buffer[..passed]).await.is_err() {
            return;
        }
        if left == ALL {
            continue;
        }
        if passed < read {
            shared.left.store(ALL, Ordering::Relaxed);
            shared.cuts.send_modify(|cuts| *cuts += 1);
            return;
        }
        shared.left.store(left - passed as u64, Ordering::Relaxed);
    }
}
