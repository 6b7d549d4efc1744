//! Talking to OpenAI-compatible chat completion endpoints, and paying attention to what it costs.
//!
//! Layers, from the wire up: one attempt (`attempt`, `fault`, `reply`), the limits all attempts to an
//! endpoint share (`limiter`), retries and usage ([`ChatModel::forward`]), and the
//! [`LanguageModel`](crate::LanguageModel) on top. [`Models`] connects settings to all of it.

mod api_key;
mod assembly;
mod attempt;
mod backoff;
mod chat;
mod endpoint;
mod fault;
mod forward;
mod limiter;
mod models;
mod prices;
mod reply;
mod retry_after;
mod settings;
mod setup_error;
mod spending;
mod stream;
mod telemetry;

pub use api_key::ApiKey;
#[cfg(feature = "testing")]
pub(crate) use assembly::Assembly;
pub(crate) use attempt::innermost;
pub use backoff::RetryTiming;
pub use chat::ChatModel;
pub(crate) use endpoint::is_loopback;
pub use endpoint::{known_providers, public_base_url};
pub use forward::{ForwardError, RawReply};
pub use models::Models;
pub(crate) use models::{ClientKind, build_client};
#[cfg(feature = "testing")]
pub(crate) use reply::Reply;
pub use settings::{MaxTokensField, ModelSettings, PriceSettings, ProviderSettings};
pub use setup_error::ModelSetupError;
pub use spending::Spending;
pub use stream::{StreamEnd, StreamedReply};

use crate::Environment;
