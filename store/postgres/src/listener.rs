//! Hears the wake-ups of other processes. Behind a pooler in transaction mode none arrive; readers
//! then look at their journals often.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};

use crate::address::{Address, Tls};
use crate::shared::Shared;
use crate::tls::Encryption;

/// The name under which processes that share a schema wake each other.
pub(crate) fn channel(address: &Address) -> String {
    format!("gepa_{}", address.schema)
}

/// One connection that listens.
pub(crate) struct Listener {
    address: Address,
    shared: Arc<Shared>,
    connection: Option<(Client, JoinHandle<()>)>,
}

impl Listener {
    pub(crate) fn new(address: Address, shared: Arc<Shared>) -> Self {
        Self {
            address,
            shared,
            connection: None,
        }
    }

    /// Connects, unless a connection stands.
    pub(crate) async fn connect(&mut self) {
        if let Some((client, _)) = &self.connection
            && !client.is_closed()
        {
            return;
        }
        self.shared.hears.send_replace(false);
        let connected = match &self.address.tls {
            Tls::Off => self.connect_with(NoTls).await,
            Tls::Verified(root) => match Encryption::new(root.as_deref()) {
                Ok(encryption) => self.connect_with(encryption).await,
                Err(_) => None,
            },
        };
        if let Some((client, _)) = &connected {
            let listen = format!("LISTEN {}", channel(&self.address));
            if let Err(error) = client.batch_execute(&listen).await {
                tracing::debug!(%error, "wake-ups of other processes cannot be heard");
            }
        }
        self.connection = connected;
    }

    async fn connect_with<T>(&self, tls: T) -> Option<(Client, JoinHandle<()>)>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let (client, connection) = self.address.config.connect(tls).await.ok()?;
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(hear(connection, shared));
        Some((client, task))
    }
}

async fn hear<S>(mut connection: Connection<Socket, S>, shared: Arc<Shared>)
where
    S: tokio_postgres::tls::TlsStream + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(word) = message {
            for topic in word.payload().split_whitespace() {
                if topic == &*shared.hello {
                    shared.hears.send_replace(true);
                }
                // There may be no reader in this process.
                let _ = shared.woken.send(topic.into());
            }
        }
    }
    shared.hears.send_replace(false);
}
