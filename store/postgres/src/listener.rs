//! Hears the wake-ups of other processes. Behind a pooler in transaction mode none arrive; readers
//! then look at their journals often.

use std::future::poll_fn;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};

use crate::address::{Address, Tls};
use crate::keeper::Shared;
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
            if !*self.shared.hears.borrow() {
                self.try_out().await;
            }
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
        self.connection = connected;
        self.try_out().await;
    }

    /// Listens and sends itself a word, whose arrival shows that wake-ups arrive.
    async fn try_out(&self) {
        let Some((client, _)) = &self.connection else {
            return;
        };
        let channel = channel(&self.address);
        let listen = format!("LISTEN {channel}; NOTIFY {channel}, 'hello'");
        if let Err(error) = client.batch_execute(&listen).await {
            tracing::debug!(%error, "wake-ups of other processes cannot be heard");
        }
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
            shared.hears.send_replace(true);
            for topic in word.payload().split_whitespace() {
                // Nobody may be waiting.
                let _ = shared.woken.send(topic.into());
            }
        }
    }
    shared.hears.send_replace(false);
}
