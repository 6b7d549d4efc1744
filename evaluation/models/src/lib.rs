//! Calls the endpoints of providers, within limits and with an account of the cost.
//!
//! Layers, from the wire up: one attempt (`attempt`, `fault`, `reply`), the limits all attempts to an
//! endpoint share ([`gepa_limiter`]), retries and usage ([`ChatModel::forward`]), and the
//! [`LanguageModel`](gepa_evaluation::LanguageModel) on top. [`Models`] connects settings to all of it.

mod api_key;
mod assembly;
mod attempt;
mod backoff;
mod certificates;
mod chat;
mod compression;
mod day_limit;
pub mod decoding;
mod dialect;
mod endpoint;
mod environment;
mod fault;
mod forward;
mod http_address;
mod limit_folder;
mod look;
mod models;
mod prices;
mod rate_headers;
mod repeating;
mod reply;
mod retry_after;
mod settings;
mod setup_error;
mod signing;
mod spending;
mod stream;
mod telemetry;
mod text_file;
mod unreached;

pub use api_key::ApiKey;
pub use assembly::StreamEnd;
pub use attempt::innermost;
pub use backoff::RetryTiming;
pub use chat::ChatModel;
pub use day_limit::end_of_day_in;
pub use dialect::Dialect;
pub use endpoint::{is_same_provider, public_base_url};
pub use environment::{Environment, EnvironmentError};
pub use forward::{ForwardError, RawReply};
pub use http_address::{AddressError, HttpAddress, is_loopback};
pub use look::Sight;
pub use models::{ClientKind, Models, build_client};
pub use prices::{PriceCatalogue, PriceCatalogueError};
pub use settings::{MaxTokensField, ModelSettings, PriceSettings, ProviderSettings};
pub use setup_error::ModelSetupError;
pub use spending::Spending;
pub use stream::StreamedReply;
pub use text_file::{open_named, read_bounded, read_text};
pub use unreached::answers_without_tls;
