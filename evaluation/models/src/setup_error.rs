//! Why a model cannot be connected.

use super::http_address::AddressError;

/// A model that cannot be connected; found before anything is sent or spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelSetupError {
    /// A setting is out of range: change it to what is expected.
    #[error("`{setting}`: {expected}")]
    Setting {
        /// The key.
        setting: &'static str,
        /// What it should be.
        expected: String,
    },
    /// The provider is not a known one and has no address: correct the name or set `base_url`.
    #[error(
        "provider `{provider}` has no known address: use one of openai, anthropic, azure, bedrock, groq, \
         gemini, openrouter, ollama, vllm, or set `base_url` or {variable}"
    )]
    UnknownProvider {
        /// The provider as configured.
        provider: String,
        /// The variable that would give its address.
        variable: String,
    },
    /// No key: set the variable in the environment or in `.env`.
    #[error("no key for provider `{provider}`: set {variable} in the environment or in .env")]
    MissingKey {
        /// The provider as configured.
        provider: String,
        /// The variable to set.
        variable: String,
    },
    /// No region: set the variable in the environment or in `.env`.
    #[error("no region for provider `{provider}`: set AWS_REGION in the environment or in .env")]
    MissingRegion {
        /// The provider as configured.
        provider: String,
    },
    /// The key contains characters that no HTTP header can carry: set it anew.
    #[error("the key in {variable} contains characters that cannot be sent: set it anew")]
    BadKey {
        /// The variable that holds it.
        variable: String,
    },
    /// The base URL cannot be used: correct it where it was set.
    #[error("the base URL from {origin} cannot be used: it {reason}")]
    BadBaseUrl {
        /// Where it was set.
        origin: String,
        /// What is wrong with it; never the URL itself, which may hold a password.
        reason: AddressError,
    },
    /// A limit on the cost of a day cannot hold for a model without a price: add its price.
    #[error(
        "`providers.{provider}.dollars_per_day` cannot hold for model `{model}`, whose price is not known: add it to \
         `[[prices]]`"
    )]
    Unpriced {
        /// The provider as configured.
        provider: String,
        /// The model as configured.
        model: String,
    },
    /// The HTTP client cannot be built, usually for want of root certificates.
    #[error("cannot set up HTTPS: {0}; check that the system's root certificates are installed")]
    HttpClient(String),
}
