//! The connection to a queue, and the streams that work and answers lie in.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::names::{self, ANSWER_STREAM, LARGE_BUCKET, WORK_STREAM};
use crate::settings::without_password;
use crate::{Address, QueueError};

/// How long a first connection may take.
const CONNECTING: Duration = Duration::from_secs(4);
/// How long the server may take to answer one request.
const ANSWERING: Duration = Duration::from_secs(5);
/// Longest pause between two attempts to get a lost connection back.
const RECONNECTING: Duration = Duration::from_secs(1);
/// Answers and large messages that no process takes are deleted after this time.
const KEPT: Duration = Duration::from_hours(6);
/// Within this time the server knows a message that it is sent again.
const KNOWN_AGAIN: Duration = Duration::from_mins(2);

/// A connection to a queue. It comes back by itself when it is lost; what is asked meanwhile waits.
pub struct Queue {
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) work: Stream,
    pub(crate) answers: Stream,
    pub(crate) large: ObjectStore,
    url: String,
    lost: Arc<Mutex<Option<Instant>>>,
    /// Wakes who waits for an answer to a request that the server forgets with the connection.
    pub(crate) came_back: Arc<Notify>,
}

/// What became of a message for the stream of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It lies in the stream under this number.
    At(u64),
    /// Work with the same subject lies there already.
    BesideItself,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("Queue");
        out.field("url", &self.url).finish_non_exhaustive()
    }
}

impl Queue {
    /// Connects, and makes the streams that are missing.
    ///
    /// # Errors
    /// Within a few seconds: nothing answers, the credentials are refused, the server has no JetStream,
    /// or the user may not make a stream.
    pub async fn connect(address: &Address) -> Result<Self, QueueError> {
        let url = without_password(&address.url);
        let lost = Arc::new(Mutex::new(None));
        let came_back = Arc::new(Notify::new());
        let client = connect(address, &url, &lost, &came_back).await?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWERING);
        let account = context.query_account().await;
        account.map_err(|error| QueueError::NoJetStream {
            url: url.clone(),
            reason: error.to_string(),
        })?;
        let missing = |what: &str, error: &dyn std::fmt::Display| QueueError::Setup {
            url: url.clone(),
            what: what.to_owned(),
            reason: error.to_string(),
        };
        let work = context.get_or_create_stream(work_stream()).await;
        let work = work.map_err(|error| missing(&format!("stream {WORK_STREAM}"), &error))?;
        let answers = context.get_or_create_stream(answer_stream()).await;
        let answers =
            answers.map_err(|error| missing(&format!("stream {ANSWER_STREAM}"), &error))?;
        let large = large_bucket(&context).await;
        let large = large.map_err(|error| missing(&format!("bucket {LARGE_BUCKET}"), &error))?;
        Ok(Self {
            client,
            context,
            work,
            answers,
            large,
            url,
            lost,
            came_back,
        })
    }

    /// The address, without a password.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How long the connection has been lost; `None` while there is one.
    pub fn lost_for(&self) -> Option<Duration> {
        self.lost.lock().map(|since| since.elapsed())
    }

    /// Stores a message and waits until it is stored. `id` makes sending it again harmless.
    pub(crate) async fn store(
        &self,
        subject: String,
        id: &str,
        headers: Option<async_nats::HeaderMap>,
        payload: Bytes,
    ) -> Result<Placed, QueueError> {
        let mut message = jetstream::message::PublishMessage::build().payload(payload);
        if let Some(headers) = headers {
            message = message.headers(headers);
        }
        let sent = self
            .context
            .send_publish(subject, message.message_id(id))
            .await;
        let sent = sent.map_err(|error| QueueError::Passing(error.to_string()))?;
        match sent.await {
            Ok(stored) => Ok(Placed::At(stored.sequence)),
            Err(error) if is_beside_itself(&error) => Ok(Placed::BesideItself),
            Err(error) => Err(QueueError::Passing(with_cause(&error))),
        }
    }

    /// The consumer through which workers take the work of an offer.
    pub(crate) async fn work_consumer(
        &self,
        token: &str,
        lost_after: Duration,
    ) -> Result<Consumer<pull::Config>, QueueError> {
        let config = pull::Config {
            durable_name: Some(token.to_owned()),
            filter_subject: names::work_of(token),
            ack_policy: AckPolicy::Explicit,
            ack_wait: lost_after,
            max_deliver: -1,
            max_ack_pending: -1,
            max_waiting: 65_536,
            ..pull::Config::default()
        };
        let made = self.work.create_consumer(config).await;
        made.map_err(|error| QueueError::Passing(error.to_string()))
    }

    /// A consumer that gives all answers to a run from the beginning, those given to an earlier engine
    /// process as well.
    pub(crate) async fn answer_consumer(
        &self,
        run: &str,
    ) -> Result<Consumer<pull::Config>, QueueError> {
        let name = names::reader_of(run);
        // The answers that an earlier process had in its hands are given again only by a new consumer.
        let _ = self.answers.delete_consumer(&name).await;
        let config = pull::Config {
            durable_name: Some(name),
            filter_subject: names::answers_of(run),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_mins(10),
            max_ack_pending: -1,
            inactive_threshold: KEPT,
            ..pull::Config::default()
        };
        let made = self.answers.create_consumer(config).await;
        made.map_err(|error| QueueError::Passing(error.to_string()))
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Whether the stream refused a message because it has one with that subject.
fn is_beside_itself(error: &jetstream::context::PublishError) -> bool {
    let cause = std::error::Error::source(error);
    let refused = cause.and_then(|cause| cause.downcast_ref::<jetstream::Error>());
    refused.is_some_and(|refused| {
        refused.error_code() == ErrorCode::STREAM_STORE_FAILED
            && refused.to_string().contains("per subject")
    })
}

async fn connect(
    address: &Address,
    url: &str,
    lost: &Arc<Mutex<Option<Instant>>>,
    came_back: &Arc<Notify>,
) -> Result<Client, QueueError> {
    let mut servers = Vec::new();
    for part in address.url.split(',') {
        let server = part.trim().parse::<async_nats::ServerAddr>();
        servers.push(server.map_err(|error| QueueError::Address {
            url: url.to_owned(),
            reason: error.to_string(),
        })?);
    }
    let (seen, came_back) = (Arc::clone(lost), Arc::clone(came_back));
    let login = &address.login;
    let mut options = ConnectOptions::new()
        .name("gepa")
        .connection_timeout(CONNECTING)
        .request_timeout(Some(ANSWERING))
        .ping_interval(Duration::from_secs(5))
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            RECONNECTING.min(Duration::from_millis(50 << attempts.min(8)))
        })
        .event_callback(move |event| {
            match &event {
                Event::Disconnected | Event::Closed => {
                    seen.lock().get_or_insert_with(Instant::now);
                }
                Event::Connected => {
                    *seen.lock() = None;
                    came_back.notify_waiters();
                }
                other => tracing::debug!("queue: {other}"),
            }
            std::future::ready(())
        });
    if let (Some(user), Some(password)) = (&login.user, &login.password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(token) = &login.token {
        options = options.token(token.clone());
    }
    if let Some(file) = &login.root_certificates {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &login.client_certificate {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    let begun = Instant::now();
    let unreachable = |reason: String| QueueError::Unreachable {
        url: url.to_owned(),
        reason,
        waited: begun.elapsed().max(Duration::from_secs(1)),
    };
    // Several servers are tried one after the other.
    let connecting = timeout(CONNECTING + ANSWERING, options.connect(servers)).await;
    let connected = connecting.map_err(|_| unreachable("no answer".to_owned()))?;
    connected.map_err(|error| {
        let reason = with_cause(&error);
        let url = url.to_owned();
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                QueueError::Credentials { url, reason }
            }
            ConnectErrorKind::Tls => QueueError::Encryption { url, reason },
            // The client reports a certificate that it does not trust as a failed connection.
            _ if reason.contains("certificate") => QueueError::Encryption { url, reason },
            ConnectErrorKind::ServerParse => QueueError::Address { url, reason },
            _ => unreachable(reason),
        }
    })
}

fn work_stream() -> stream::Config {
    stream::Config {
        name: WORK_STREAM.to_owned(),
        subjects: vec![names::all_work()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: 1,
        duplicate_window: KNOWN_AGAIN,
        storage: StorageType::File,
        allow_direct: true,
        ..stream::Config::default()
    }
}

fn answer_stream() -> stream::Config {
    stream::Config {
        name: ANSWER_STREAM.to_owned(),
        subjects: vec![names::all_answers()],
        retention: RetentionPolicy::WorkQueue,
        duplicate_window: KNOWN_AGAIN,
        max_age: KEPT,
        storage: StorageType::File,
        allow_direct: true,
        ..stream::Config::default()
    }
}

async fn large_bucket(context: &Context) -> Result<ObjectStore, String> {
    if let Ok(bucket) = context.get_object_store(LARGE_BUCKET).await {
        return Ok(bucket);
    }
    let config = object_store::Config {
        bucket: LARGE_BUCKET.to_owned(),
        max_age: KEPT,
        storage: StorageType::File,
        ..object_store::Config::default()
    };
    let made = context.create_object_store(config).await;
    made.map_err(|error| error.to_string())
}
