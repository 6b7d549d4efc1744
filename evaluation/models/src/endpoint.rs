//! Which address and key a model uses, and in which order they are looked up.

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::api_key::ApiKey;
use super::settings::{MaxTokensField, ModelSettings, ProviderSettings};
use super::{Environment, ModelSetupError};

/// Overrides the base URL of every provider, those named in a configuration too.
const OVERRIDE_VARIABLE: &str = "GEPA_PROVIDER_BASE_URL";

/// An address with the key that opens it.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Normalised, without a trailing slash.
    pub(super) base_url: String,
    /// Where the address was set, for messages.
    pub(super) origin: String,
    pub(super) key: Option<ApiKey>,
    pub(super) authorization: Option<HeaderValue>,
    /// The variable that holds the key, or would.
    pub(super) key_variable: String,
    pub(super) is_encrypted: bool,
    pub(super) is_loopback: bool,
}

/// What is known about a provider by its name.
#[derive(Clone, Copy, Debug)]
struct KnownProvider {
    name: &'static str,
    alias: Option<&'static str>,
    base_url: &'static str,
    needs_key: bool,
    max_tokens_field: MaxTokensField,
}

const KNOWN_PROVIDERS: [KnownProvider; 6] = [
    KnownProvider {
        name: "openai",
        alias: None,
        base_url: "https://api.openai.com/v1",
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
    },
    KnownProvider {
        name: "groq",
        alias: None,
        base_url: "https://api.groq.com/openai/v1",
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
    },
    KnownProvider {
        name: "gemini",
        alias: Some("google"),
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
    },
    KnownProvider {
        name: "openrouter",
        alias: None,
        base_url: "https://openrouter.ai/api/v1",
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
    },
    KnownProvider {
        name: "ollama",
        alias: None,
        base_url: "http://127.0.0.1:11434/v1",
        needs_key: false,
        max_tokens_field: MaxTokensField::MaxTokens,
    },
    KnownProvider {
        name: "vllm",
        alias: None,
        base_url: "http://127.0.0.1:8000/v1",
        needs_key: false,
        max_tokens_field: MaxTokensField::MaxTokens,
    },
];

/// The name under which a provider's facts are kept: `gemini` for `google`, itself otherwise.
pub(super) fn canonical_name(provider: &str) -> &str {
    known(provider).map_or(provider, |known| known.name)
}

/// The providers whose address is built in, under the names they are kept by.
pub fn known_providers() -> impl Iterator<Item = &'static str> {
    KNOWN_PROVIDERS.iter().map(|known| known.name)
}

/// The built-in address of a provider; `None` for one that is not known.
pub fn public_base_url(provider: &str) -> Option<&'static str> {
    known(provider).map(|known| known.base_url)
}

/// The field that carries the limit on a reply's length.
pub(super) fn max_tokens_field(settings: &ModelSettings) -> MaxTokensField {
    let by_provider = known(&settings.provider).map(|known| known.max_tokens_field);
    settings
        .max_tokens_field
        .or(by_provider)
        .unwrap_or(MaxTokensField::MaxTokens)
}

impl Endpoint {
    /// Looks up the address and the key of a model.
    pub(super) fn resolve(
        settings: &ModelSettings,
        provider: &ProviderSettings,
        environment: &Environment,
    ) -> Result<Self, ModelSetupError> {
        let (url, origin) = resolve_url(settings, provider, environment)?;
        let is_loopback = is_loopback(&url);
        let (key_variable, key) = resolve_key(settings, provider, environment);
        let needs_key = known(&settings.provider).is_none_or(|known| known.needs_key);
        if key.is_none() && needs_key && !is_loopback {
            return Err(ModelSetupError::MissingKey {
                provider: settings.provider.clone(),
                variable: key_variable,
            });
        }
        let authorization = key.as_ref().map(ApiKey::bearer);
        if authorization == Some(None) {
            let variable = key_variable;
            return Err(ModelSetupError::BadKey { variable });
        }
        Ok(Self {
            base_url: url.as_str().trim_end_matches('/').to_owned(),
            origin,
            key,
            authorization: authorization.flatten(),
            key_variable,
            is_encrypted: url.scheme() == "https",
            is_loopback,
        })
    }

    /// `text` without the key in it.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.scrubbed(text),
            None => text.to_owned(),
        }
    }
}

fn known(provider: &str) -> Option<&'static KnownProvider> {
    KNOWN_PROVIDERS
        .iter()
        .find(|known| known.name == provider || known.alias == Some(provider))
}

/// The environment variables of a provider with this suffix, the canonical name's first.
fn variables(provider: &str, suffix: &str) -> Vec<String> {
    let mut names = vec![canonical_name(provider), provider];
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let upper = name.to_ascii_uppercase();
            let stem = upper.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            format!("{stem}_{suffix}")
        })
        .collect()
}

fn resolve_url(
    settings: &ModelSettings,
    provider: &ProviderSettings,
    environment: &Environment,
) -> Result<(Url, String), ModelSetupError> {
    let names = variables(&settings.provider, "API_BASE");
    let of_environment = |variable: &str| {
        let url = environment.get(variable)?;
        Some((url, variable.to_owned()))
    };
    let of_settings = |url: &'_ Option<String>, origin: String| Some((url.clone()?, origin));
    let found = of_environment(OVERRIDE_VARIABLE)
        .map(|(url, origin)| (url.to_owned(), origin))
        .or_else(|| of_settings(&settings.base_url, "`base_url` of the model".to_owned()))
        .or_else(|| {
            let key = format!("`providers.{}.base_url`", settings.provider);
            of_settings(&provider.base_url, key)
        })
        .or_else(|| {
            let found = names.iter().find_map(|variable| of_environment(variable));
            found.map(|(url, origin)| (url.to_owned(), origin))
        })
        .or_else(|| {
            let known = known(&settings.provider)?;
            Some((known.base_url.to_owned(), "the built-in address".to_owned()))
        });
    let Some((url, origin)) = found else {
        return Err(ModelSetupError::UnknownProvider {
            provider: settings.provider.clone(),
            variable: names.into_iter().next().unwrap_or_default(),
        });
    };
    Ok((normalised(&url, &origin)?, origin))
}

fn resolve_key(
    settings: &ModelSettings,
    provider: &ProviderSettings,
    environment: &Environment,
) -> (String, Option<ApiKey>) {
    let configured = settings
        .api_key_env
        .as_ref()
        .or(provider.api_key_env.as_ref());
    let names = match configured {
        Some(variable) => vec![variable.clone()],
        None => variables(&settings.provider, "API_KEY"),
    };
    for variable in &names {
        if let Some(key) = environment.get(variable) {
            return (variable.clone(), Some(ApiKey::new(key)));
        }
    }
    (names.into_iter().next().unwrap_or_default(), None)
}

/// A base URL as the paths below it need it: one version segment, no trailing slash.
fn normalised(text: &str, origin: &str) -> Result<Url, ModelSetupError> {
    let refuse = |reason| ModelSetupError::BadBaseUrl {
        origin: origin.to_owned(),
        reason,
    };
    let mut url =
        Url::parse(text.trim()).map_err(|_| refuse("it is not a URL such as https://host/v1"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(
            "it must not contain a user name or password; keys come from the environment",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it must not contain `?` or `#`"));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path);
    let full_path = match (host.as_str(), path) {
        ("api.groq.com", "" | "/v1" | "/openai") => "/openai/v1".to_owned(),
        ("openrouter.ai", "" | "/v1" | "/api") => "/api/v1".to_owned(),
        ("generativelanguage.googleapis.com", "" | "/v1" | "/v1beta") => {
            "/v1beta/openai".to_owned()
        }
        _ if path.split('/').any(is_version) => path.to_owned(),
        _ => format!("{path}/v1"),
    };
    url.set_path(&full_path);
    Ok(url)
}

fn is_version(segment: &str) -> bool {
    let mut characters = segment.chars();
    characters.next() == Some('v') && characters.next().is_some_and(|c| c.is_ascii_digit())
}

/// Whether an address is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
