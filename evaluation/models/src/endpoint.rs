//! Which address and key a model uses, and in which order they are looked up.

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::api_key::ApiKey;
use super::dialect::{Dialect, anthropic};
use super::http_address::{HttpAddress, is_loopback};
use super::settings::{MaxTokensField, ModelSettings, ProviderSettings};
use super::signing::AwsKeys;
use super::{Environment, ModelSetupError};

/// Overrides the base URL of every provider, those named in a configuration too.
const OVERRIDE_VARIABLE: &str = "GEPA_PROVIDER_BASE_URL";

/// The address of Gemini's own protocol.
const GEMINI: &str = "https://generativelanguage.googleapis.com/v1beta";

/// An address with the key that opens it.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// Normalised, without a trailing slash.
    pub(super) base_url: String,
    /// The setting or variable that gave the address, for messages.
    pub(super) origin: String,
    pub(super) dialect: Dialect,
    api_version: Option<String>,
    pub(super) key: Option<ApiKey>,
    authorization: Authorization,
    /// The variable that holds the key, or would.
    pub(super) key_variable: String,
    pub(super) is_encrypted: bool,
    pub(super) is_loopback: bool,
}

/// How a request is authenticated.
#[derive(Clone, Debug)]
enum Authorization {
    Nothing,
    Header(HeaderName, HeaderValue),
    Signature(AwsKeys),
}

/// The facts that are built in about a provider.
#[derive(Clone, Copy, Debug)]
struct KnownProvider {
    name: &'static str,
    alias: Option<&'static str>,
    /// `None` where every customer has an address of their own.
    base_url: Option<&'static str>,
    needs_key: bool,
    max_tokens_field: MaxTokensField,
    dialect: Dialect,
}

const KNOWN_PROVIDERS: [KnownProvider; 9] = [
    KnownProvider {
        name: "openai",
        alias: None,
        base_url: Some("https://api.openai.com/v1"),
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
        dialect: Dialect::ChatCompletions,
    },
    KnownProvider {
        name: "groq",
        alias: None,
        base_url: Some("https://api.groq.com/openai/v1"),
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxCompletionTokens,
        dialect: Dialect::ChatCompletions,
    },
    KnownProvider {
        name: "gemini",
        alias: Some("google"),
        base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::ChatCompletions,
    },
    KnownProvider {
        name: "anthropic",
        alias: None,
        base_url: Some("https://api.anthropic.com/v1"),
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::Anthropic,
    },
    KnownProvider {
        name: "azure",
        alias: Some("azure_openai"),
        base_url: None,
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::Azure,
    },
    KnownProvider {
        name: "bedrock",
        alias: None,
        base_url: None,
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::Bedrock,
    },
    KnownProvider {
        name: "openrouter",
        alias: None,
        base_url: Some("https://openrouter.ai/api/v1"),
        needs_key: true,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::ChatCompletions,
    },
    KnownProvider {
        name: "ollama",
        alias: None,
        base_url: Some("http://127.0.0.1:11434/v1"),
        needs_key: false,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::ChatCompletions,
    },
    KnownProvider {
        name: "vllm",
        alias: None,
        base_url: Some("http://127.0.0.1:8000/v1"),
        needs_key: false,
        max_tokens_field: MaxTokensField::MaxTokens,
        dialect: Dialect::ChatCompletions,
    },
];

/// The name under which a provider's facts are kept: `gemini` for `google`, itself otherwise.
pub(super) fn canonical_name(provider: &str) -> &str {
    known(provider).map_or(provider, |known| known.name)
}

/// Whether two names are those of one provider, as `google` and `gemini` are.
pub fn is_same_provider(one: &str, other: &str) -> bool {
    canonical_name(one) == canonical_name(other)
}

/// The built-in address of a provider; `None` for one that is not known.
pub fn public_base_url(provider: &str) -> Option<&'static str> {
    known(provider).and_then(|known| known.base_url)
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
        let dialect = settings
            .dialect
            .or(provider.dialect)
            .or_else(|| known(&settings.provider).map(|known| known.dialect))
            .unwrap_or_default();
        let (url, origin) = resolve_url(settings, provider, environment, dialect)?;
        let is_loopback = is_loopback(&url);
        let (key_variable, key) = resolve_key(settings, provider, environment);
        let mut endpoint = Self {
            base_url: url.as_str().trim_end_matches('/').to_owned(),
            origin,
            dialect,
            api_version: provider.api_version.clone(),
            key,
            authorization: Authorization::Nothing,
            key_variable,
            is_encrypted: url.scheme() == "https",
            is_loopback,
        };
        endpoint.authorization = endpoint.authorized(settings, environment)?;
        let needs_key = known(&settings.provider).is_none_or(|known| known.needs_key);
        let is_open = matches!(endpoint.authorization, Authorization::Nothing);
        if is_open && needs_key && !is_loopback {
            return Err(ModelSetupError::MissingKey {
                provider: settings.provider.clone(),
                variable: endpoint.key_variable,
            });
        }
        Ok(endpoint)
    }

    fn authorized(
        &mut self,
        settings: &ModelSettings,
        environment: &Environment,
    ) -> Result<Authorization, ModelSetupError> {
        if self.key.is_none() && self.dialect == Dialect::Bedrock {
            let keys = aws_keys(&settings.provider, environment)?;
            "AWS_ACCESS_KEY_ID".clone_into(&mut self.key_variable);
            self.key = keys.as_ref().map(|keys| keys.secret_key.clone());
            return Ok(keys.map_or(Authorization::Nothing, Authorization::Signature));
        }
        let Some(key) = &self.key else {
            return Ok(Authorization::Nothing);
        };
        let (name, value) = match self.dialect {
            Dialect::Anthropic => (HeaderName::from_static("x-api-key"), key.plain()),
            Dialect::Gemini => (HeaderName::from_static("x-goog-api-key"), key.plain()),
            Dialect::Azure => (HeaderName::from_static("api-key"), key.plain()),
            _ => (AUTHORIZATION, key.bearer()),
        };
        match value {
            Some(value) => Ok(Authorization::Header(name, value)),
            None => Err(ModelSetupError::BadKey {
                variable: self.key_variable.clone(),
            }),
        }
    }

    /// The URL for calls to a model.
    pub(super) fn address_of(&self, model: &str) -> String {
        let path = self.dialect.path(model, self.api_version.as_deref());
        format!("{}{path}", self.base_url)
    }

    /// The path, after the base URL, under which the provider lists its models.
    pub(super) fn list_path(&self) -> String {
        self.dialect.list_path(self.api_version.as_deref())
    }

    /// The headers of a request without a body. Signatures are made for calls only, so such a request
    /// is not signed.
    pub(super) fn headers_of_get(&self) -> HeaderMap {
        match self.authorization {
            Authorization::Signature(_) => HeaderMap::new(),
            _ => self.headers("", &[]),
        }
    }

    /// Whether [`headers_of_get`](Self::headers_of_get) hold what authenticates a call.
    pub(super) fn key_can_be_shown(&self) -> bool {
        self.dialect != Dialect::Bedrock
    }

    /// The headers of a request beside its content type.
    pub(super) fn headers(&self, address: &str, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if self.dialect == Dialect::Anthropic {
            let version = HeaderValue::from_static(anthropic::VERSION);
            headers.insert("anthropic-version", version);
        }
        match &self.authorization {
            Authorization::Nothing => {}
            Authorization::Header(name, value) => {
                headers.insert(name, value.clone());
            }
            Authorization::Signature(keys) => {
                let signed = Url::parse(address)
                    .ok()
                    .and_then(|url| keys.headers("bedrock", &url, body, Timestamp::now()));
                headers.extend(
                    signed
                        .into_iter()
                        .flatten()
                        .map(|(name, value)| (Some(name), value)),
                );
            }
        }
        headers
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
    dialect: Dialect,
) -> Result<(Url, String), ModelSetupError> {
    let mut names = variables(&settings.provider, "API_BASE");
    if dialect == Dialect::Azure {
        names.push("AZURE_OPENAI_ENDPOINT".to_owned());
    }
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
            let url = match dialect {
                Dialect::Bedrock => regional_url(environment)?,
                // The known address of the provider speaks chat completions only.
                Dialect::Gemini => GEMINI.to_owned(),
                _ => known(&settings.provider)?.base_url?.to_owned(),
            };
            Some((url, "the built-in address".to_owned()))
        });
    let Some((url, origin)) = found else {
        return Err(ModelSetupError::UnknownProvider {
            provider: settings.provider.clone(),
            variable: names.into_iter().next().unwrap_or_default(),
        });
    };
    Ok((normalised(&url, &origin, dialect)?, origin))
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
    let names = configured.map_or_else(
        || key_variables(&settings.provider),
        |variable| vec![variable.clone()],
    );
    for variable in &names {
        if let Some(key) = environment.get(variable) {
            return (variable.clone(), Some(ApiKey::new(key)));
        }
    }
    (names.into_iter().next().unwrap_or_default(), None)
}

/// The variables that may hold the key of a provider, the usual one first.
fn key_variables(provider: &str) -> Vec<String> {
    let mut names = variables(provider, "API_KEY");
    let beside = match canonical_name(provider) {
        "azure" => Some("AZURE_OPENAI_API_KEY"),
        "bedrock" => Some("AWS_BEARER_TOKEN_BEDROCK"),
        _ => None,
    };
    names.extend(beside.map(str::to_owned));
    names
}

/// The keys that sign requests, where the environment has them.
fn aws_keys(provider: &str, environment: &Environment) -> Result<Option<AwsKeys>, ModelSetupError> {
    let key = |name| environment.get(name).map(ApiKey::new);
    let Some((access_key, secret_key)) = key("AWS_ACCESS_KEY_ID").zip(key("AWS_SECRET_ACCESS_KEY"))
    else {
        return Ok(None);
    };
    let Some(region) = region(environment) else {
        return Err(ModelSetupError::MissingRegion {
            provider: provider.to_owned(),
        });
    };
    Ok(Some(AwsKeys {
        access_key,
        secret_key,
        session_token: key("AWS_SESSION_TOKEN"),
        region: region.to_owned(),
    }))
}

fn region(environment: &Environment) -> Option<&str> {
    let region = environment.get("AWS_REGION");
    region.or_else(|| environment.get("AWS_DEFAULT_REGION"))
}

fn regional_url(environment: &Environment) -> Option<String> {
    let region = region(environment)?;
    Some(format!("https://bedrock-runtime.{region}.amazonaws.com"))
}

/// A base URL as the paths below it need it: one version segment, no trailing slash.
fn normalised(text: &str, origin: &str, dialect: Dialect) -> Result<Url, ModelSetupError> {
    let mut url = HttpAddress::parse_base(text).map_err(|reason| ModelSetupError::BadBaseUrl {
        origin: origin.to_owned(),
        reason,
    })?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let path = url.path().trim_end_matches('/');
    let calls = ["/chat/completions", "/responses", "/messages"];
    let path = calls
        .iter()
        .find_map(|call| path.strip_suffix(call))
        .unwrap_or(path);
    let native_path = match dialect {
        Dialect::Azure => Some(path.split("/openai").next().unwrap_or_default().to_owned()),
        Dialect::Bedrock => Some(path.to_owned()),
        Dialect::Gemini => {
            let path = path.strip_suffix("/openai").unwrap_or(path);
            let has_version = path.split('/').any(is_version);
            Some(if has_version {
                path.to_owned()
            } else {
                format!("{path}/v1beta")
            })
        }
        _ => None,
    };
    if let Some(path) = native_path {
        url.set_path(&path);
        return Ok(url);
    }
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

#[cfg(test)]
mod tests;
