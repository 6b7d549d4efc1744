//! What can go wrong with a queue before work is handed over.

use std::time::Duration;

/// A queue that cannot be used. No message holds a password or a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The text is no address of a NATS server: write `nats://HOST:4222`, or `tls://HOST:4222`.
    #[error(
        "`{url}` is no address of a queue: {reason}; write nats://HOST:4222 or tls://HOST:4222"
    )]
    Address {
        /// The address without its password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answers there: start the server, or correct the address.
    #[error(
        "no queue answers at {url} within {} s ({reason}); start it with `nats-server --jetstream`, or correct the address",
        waited.as_secs()
    )]
    Unreachable {
        /// The address without its password.
        url: String,
        /// What the system said.
        reason: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// The server refused the user: set the variables with the right credentials.
    #[error(
        "the queue at {url} refuses these credentials ({reason}); set GEPA_QUEUE_USER and GEPA_QUEUE_PASSWORD, or GEPA_QUEUE_TOKEN"
    )]
    Credentials {
        /// The address without its password.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// The connection cannot be encrypted as wanted: correct the certificates.
    #[error(
        "no encrypted connection to the queue at {url}: {reason}; name the file with its root certificates in GEPA_QUEUE_CA"
    )]
    Encryption {
        /// The address without its password.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server has no JetStream: start it with `--jetstream`, or enable it for the account.
    #[error(
        "the queue at {url} has no JetStream ({reason}); start it with `nats-server --jetstream`, or enable JetStream for the account"
    )]
    NoJetStream {
        /// The address without its password.
        url: String,
        /// What the server said.
        reason: String,
    },
    /// A stream or bucket cannot be made: give the user the right to make it, or make it by hand.
    #[error(
        "the queue at {url} does not give the {what}: {reason}; let its user create streams, or create it as docs/workers.md says"
    )]
    Setup {
        /// The address without its password.
        url: String,
        /// The stream, consumer or bucket.
        what: String,
        /// What the server said.
        reason: String,
    },
    /// A message is larger than a queue carries.
    #[error(
        "a message of {size} bytes is too large; a queue carries {largest} at most. Make outputs and traces shorter"
    )]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The largest size in bytes.
        largest: usize,
    },
    /// A message that this version cannot read: use the same version on both sides.
    #[error(
        "a message cannot be read ({0}); use the same version of gepa for the run and its workers"
    )]
    Unreadable(String),
    /// The queue did not take or give a message at this moment.
    #[error("the queue did not answer: {0}")]
    Passing(String),
}
