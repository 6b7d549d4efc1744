//! The models of a process, and what they share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use indexmap::IndexMap;
use parking_lot::Mutex;
use reqwest::Client;
use reqwest::redirect::Policy;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::crypto::CryptoProvider;

use super::api_key::ApiKey;
use super::attempt::Timeouts;
use super::backoff::{Backoff, RetryTiming};
use super::certificates::named_certificates;
use super::chat::{ChatModel, Kinds};
use super::endpoint::{Endpoint, canonical_name};
use super::limit_folder::LimitFolder;
use super::prices::Price;
use super::settings::{ModelSettings, PriceSettings, ProviderSettings};
use super::telemetry::Meter;
use super::{Environment, ModelSetupError};
use gepa_evaluation::MicroUsd;
use gepa_limiter::shares::SharedDocuments;
use gepa_limiter::{Limiter, LimiterSettings, RunQueue};

const CONNECT_SECONDS: f64 = 10.0;
const WHOLE_CALL_SECONDS: f64 = 300.0;
const OUTAGE_SECONDS: f64 = 600.0;
const MAX_ATTEMPTS: u32 = 8;
const MAX_CONCURRENT: u32 = 64;
/// Where the cost of days is kept unless limits are shared elsewhere.
const LIMITS_FOLDER: &str = ".gepa/limits";

/// Connects models. An application makes one and hands it to everything that talks to models: all
/// runs then share connections, and one limiter per address and key. Each run takes a handle of its
/// own with [`for_run`](Self::for_run), so that runs get a fair share of what they use together.
#[derive(Debug)]
pub struct Models {
    shared: Arc<Shared>,
    lines: Mutex<BTreeMap<LimiterKey, Weak<RunQueue>>>,
}

/// The state that all runs of a process share.
#[derive(Debug)]
struct Shared {
    environment: Environment,
    timing: RetryTiming,
    clients: Mutex<BTreeMap<ClientKind, Client>>,
    limiters: Mutex<BTreeMap<LimiterKey, Weak<Limiter>>>,
    sharing: OnceLock<Sharing>,
    /// Where limits on the cost of a day are kept that are not shared elsewhere.
    folder: OnceLock<PathBuf>,
}

/// The limits that hold over several processes.
struct Sharing {
    documents: Arc<dyn SharedDocuments>,
    /// Names this process.
    holder: String,
}

impl std::fmt::Debug for Sharing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("Sharing");
        out.field("place", &self.documents.place())
            .finish_non_exhaustive()
    }
}

type LimiterKey = (String, Option<ApiKey>);

/// The properties that are fixed when an HTTP client is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKind {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Whether the address is `https`.
    pub is_encrypted: bool,
    /// Whether the address is on this machine; such calls use no proxy.
    pub is_loopback: bool,
}

impl Models {
    /// Takes addresses and keys from `environment`.
    pub fn new(environment: Environment) -> Self {
        Self::with_timing(environment, RetryTiming::default())
    }

    /// As [`new`](Self::new), with another pace of retries and probes.
    pub fn with_timing(environment: Environment, timing: RetryTiming) -> Self {
        Self {
            shared: Arc::new(Shared {
                environment,
                timing,
                clients: Mutex::default(),
                limiters: Mutex::default(),
                sharing: OnceLock::new(),
                folder: OnceLock::new(),
            }),
            lines: Mutex::default(),
        }
    }

    /// The same models for one more run. Where several runs wait for the same address and key, a
    /// call goes out of each in turn, however many calls another has waiting.
    #[must_use]
    pub fn for_run(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            lines: Mutex::default(),
        }
    }

    /// Shares the limits of every address and key with all processes that name the same place. `holder`
    /// is a name that no other process has. Returns the place that is in use: limits are shared in one
    /// place, and the first one stays.
    pub fn share_limits(&self, documents: Arc<dyn SharedDocuments>, holder: String) -> &str {
        let sharing = Sharing { documents, holder };
        let in_use = self.shared.sharing.get_or_init(|| sharing);
        for (key, limiter) in &*self.shared.limiters.lock() {
            if let Some(limiter) = limiter.upgrade() {
                in_use.share(key, &limiter);
            }
        }
        in_use.documents.place()
    }

    /// The place where limits are shared, if they are.
    pub fn shared_in(&self) -> Option<&str> {
        Some(self.shared.sharing.get()?.documents.place())
    }

    /// Keeps what keys with a limit on the cost of a day have spent in this folder, which all processes of the
    /// machine should name, unless the limits are shared elsewhere. The first folder stays; without this word it
    /// is `.gepa/limits` in the current directory.
    pub fn keep_limits_in(&self, folder: PathBuf) {
        self.shared.folder.get_or_init(|| folder);
    }

    /// Where keys and addresses come from.
    pub fn environment(&self) -> &Environment {
        &self.shared.environment
    }

    /// Checks what [`connect`](Self::connect) would use: settings, prices, address and key.
    pub fn check(
        &self,
        settings: &ModelSettings,
        providers: &IndexMap<String, ProviderSettings>,
        prices: &[PriceSettings],
    ) -> Result<(), ModelSetupError> {
        self.resolve(settings, providers, prices).map(|_| ())
    }

    /// Whether the price of a model is known, set in `prices` or built in.
    pub fn is_priced(settings: &ModelSettings, prices: &[PriceSettings]) -> bool {
        Price::find(&settings.provider, &settings.model, prices).is_some()
    }

    /// Connects a model behind a chat completions endpoint. Sends nothing: a wrong key or model
    /// shows at the first call.
    pub fn connect(
        &self,
        settings: &ModelSettings,
        providers: &IndexMap<String, ProviderSettings>,
        prices: &[PriceSettings],
    ) -> Result<Arc<ChatModel>, ModelSetupError> {
        let (endpoint, provider) = self.resolve(settings, providers, prices)?;
        let whole = seconds(settings.timeout_seconds, WHOLE_CALL_SECONDS);
        let first_byte = settings.first_byte_timeout_seconds;
        let line = self.line(&endpoint, &provider);
        Ok(Arc::new(ChatModel {
            has_served: AtomicBool::new(false),
            client: self.client(settings, &endpoint)?,
            kinds: Kinds::new(line.limiter(), &settings.model),
            line,
            backoff: Backoff::new(self.shared.timing),
            price: Price::find(&settings.provider, &settings.model, prices),
            timeouts: Timeouts {
                first_byte: first_byte.map_or(whole, Duration::from_secs_f64),
                whole,
            },
            max_attempts: settings.max_attempts.unwrap_or(MAX_ATTEMPTS),
            meter: Meter::new(&settings.provider, &settings.model),
            repeating_calls: Arc::default(),
            trouble: Mutex::default(),
            settings: settings.clone(),
            endpoint,
        }))
    }

    fn resolve(
        &self,
        settings: &ModelSettings,
        providers: &IndexMap<String, ProviderSettings>,
        prices: &[PriceSettings],
    ) -> Result<(Endpoint, ProviderSettings), ModelSetupError> {
        settings.check()?;
        let provider = provider_settings(&settings.provider, providers);
        provider.check()?;
        for price in prices {
            price.check()?;
        }
        if provider.dollars_per_day.is_some() && !Self::is_priced(settings, prices) {
            return Err(ModelSetupError::Unpriced {
                provider: settings.provider.clone(),
                model: settings.model.clone(),
            });
        }
        let endpoint = Endpoint::resolve(settings, &provider, &self.shared.environment)?;
        Ok((endpoint, provider))
    }

    fn client(
        &self,
        settings: &ModelSettings,
        endpoint: &Endpoint,
    ) -> Result<Client, ModelSetupError> {
        let kind = ClientKind {
            connect_timeout: seconds(settings.connect_timeout_seconds, CONNECT_SECONDS),
            is_encrypted: endpoint.is_encrypted,
            is_loopback: endpoint.is_loopback,
        };
        let mut clients = self.shared.clients.lock();
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = build_client(kind).map_err(ModelSetupError::HttpClient)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }

    /// The run's line before the limiter of this address and key.
    fn line(&self, endpoint: &Endpoint, provider: &ProviderSettings) -> Arc<RunQueue> {
        let key = (endpoint.base_url.clone(), endpoint.key.clone());
        let limiter = self.shared.limiter(&key, provider);
        let mut lines = self.lines.lock();
        lines.retain(|_, line| line.strong_count() > 0);
        if let Some(line) = lines.get(&key).and_then(Weak::upgrade) {
            return line;
        }
        let line = Arc::new(limiter.queue());
        lines.insert(key, Arc::downgrade(&line));
        line
    }
}

impl Shared {
    fn limiter(&self, key: &LimiterKey, provider: &ProviderSettings) -> Arc<Limiter> {
        let settings = self.limiter_settings(provider);
        let mut limiters = self.limiters.lock();
        limiters.retain(|_, limiter| limiter.strong_count() > 0);
        if let Some(limiter) = limiters.get(key).and_then(Weak::upgrade) {
            limiter.tighten(&settings);
            self.share(key, &limiter, &settings);
            return limiter;
        }
        let limiter = Arc::new(Limiter::new(&settings));
        self.share(key, &limiter, &settings);
        limiters.insert(key.clone(), Arc::downgrade(&limiter));
        limiter
    }

    /// Shares a limiter where all are shared, or keeps the cost of its days on this machine.
    fn share(&self, key: &LimiterKey, limiter: &Arc<Limiter>, settings: &LimiterSettings) {
        if let Some(sharing) = self.sharing.get() {
            sharing.share(key, limiter);
        } else if settings.micro_dollars_per_day.is_some() {
            let folder = self.folder.get_or_init(|| PathBuf::from(LIMITS_FOLDER));
            let sharing = Sharing {
                documents: Arc::new(LimitFolder::new(folder.clone())),
                holder: name_of_process(),
            };
            sharing.share(key, limiter);
        }
    }

    fn limiter_settings(&self, provider: &ProviderSettings) -> LimiterSettings {
        LimiterSettings {
            max_concurrent: provider.max_concurrent.unwrap_or(MAX_CONCURRENT) as usize,
            requests_per_minute: provider.requests_per_minute.map(u64::from),
            tokens_per_minute: provider.tokens_per_minute,
            micro_dollars_per_day: provider
                .dollars_per_day
                .map(|dollars| MicroUsd::from_dollars(dollars).0),
            longest_outage: seconds(provider.outage_seconds, OUTAGE_SECONDS),
            first_probe_after: self.timing.first_probe_after,
            probe_at_least_every: self.timing.probe_at_least_every,
        }
    }
}

impl Sharing {
    fn share(&self, (address, key): &LimiterKey, limiter: &Arc<Limiter>) {
        // The document's name says nothing about the key.
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"shared limits of a key\0");
        context.update(address.as_bytes());
        context.update(b"\0");
        context.update(key.as_ref().map_or("", ApiKey::reveal).as_bytes());
        let name = context.finish();
        let (name, _) = name.as_ref().split_at(16);
        let mut number = [0; 16];
        number.copy_from_slice(name);
        let name = format!("{:032x}", u128::from_be_bytes(number));
        limiter.share_through(self.documents.document(&name), &self.holder);
    }
}

/// A name that no other process has.
fn name_of_process() -> String {
    let mut random = [0; 8];
    // Without it the number of the process and the time tell processes apart.
    let _ = SystemRandom::new().fill(&mut random);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!(
        "{}-{:x}-{:016x}",
        std::process::id(),
        now.as_nanos(),
        u64::from_be_bytes(random)
    )
}

/// The settings under the provider's name, or under another name of the same provider.
fn provider_settings(
    provider: &str,
    providers: &IndexMap<String, ProviderSettings>,
) -> ProviderSettings {
    let same = || {
        let canonical = canonical_name(provider);
        providers
            .iter()
            .find(|(name, _)| canonical_name(name) == canonical)
            .map(|(_, settings)| settings)
    };
    providers
        .get(provider)
        .or_else(same)
        .cloned()
        .unwrap_or_default()
}

/// A client that follows no redirects; the error is why it cannot be built.
pub fn build_client(kind: ClientKind) -> Result<Client, String> {
    if CryptoProvider::get_default().is_none() {
        // If another thread installs a provider first, that provider serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .connect_timeout(kind.connect_timeout)
        .redirect(Policy::none())
        .user_agent(concat!("gepa/", env!("CARGO_PKG_VERSION")));
    if !kind.is_encrypted {
        // Plain HTTP has to work on machines without root certificates, and its servers commonly
        // close idle connections after five seconds: reusing one at that moment fails a request.
        builder = builder
            .tls_certs_only([])
            .pool_idle_timeout(Duration::from_secs(4));
    }
    if kind.is_encrypted
        && let Some(config) = named_certificates()
    {
        builder = builder.tls_backend_preconfigured(config);
    }
    if kind.is_loopback {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| error.to_string())
}

fn seconds(setting: Option<f64>, default: f64) -> Duration {
    Duration::from_secs_f64(setting.unwrap_or(default))
}
