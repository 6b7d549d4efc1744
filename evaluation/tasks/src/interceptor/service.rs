//! The interceptor of a process.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::OnceCell;

use super::error::InterceptorError;
use super::lease::Lease;
use super::listener::{Listening, listen};
use super::registry::{LeaseState, LeaseTerms, Registry};
use gepa_models::Environment;

/// The variable that names the address to listen on; a free loopback port if it is not set.
const LISTEN_VARIABLE: &str = "GEPA_INTERCEPTOR_LISTEN";
const FREE_LOOPBACK_PORT: &str = "127.0.0.1:0";

/// The interceptor of a process; binds its address when a run first needs it. Clones share one
/// interceptor. Dropping the last clone closes the address.
#[derive(Clone)]
pub struct Interceptor {
    shared: Arc<Shared>,
}

struct Shared {
    listen: Option<String>,
    registry: Arc<Registry>,
    listening: OnceCell<Listening>,
}

impl Interceptor {
    /// An interceptor that will listen at the address in `GEPA_INTERCEPTOR_LISTEN`.
    pub fn new(environment: &Environment) -> Self {
        Self {
            shared: Arc::new(Shared {
                listen: environment.get(LISTEN_VARIABLE).map(str::to_owned),
                registry: Arc::default(),
                listening: OnceCell::new(),
            }),
        }
    }

    /// Binds the address if it is not bound yet, and returns it.
    pub async fn address(&self) -> Result<SocketAddr, InterceptorError> {
        let shared = &self.shared;
        let listening = shared.listening.get_or_try_init(|| async {
            let wanted = shared.listen.as_deref().unwrap_or(FREE_LOOPBACK_PORT);
            let refuse = |error: std::io::Error| InterceptorError::Bind {
                address: wanted.to_owned(),
                reason: error.to_string(),
                variable: LISTEN_VARIABLE,
            };
            let listener = TcpListener::bind(wanted).await.map_err(refuse)?;
            listen(listener, Arc::clone(&shared.registry)).map_err(refuse)
        });
        Ok(listening.await?.address)
    }

    /// Opens a lease for one rollout attempt; `label` makes its trace id readable.
    pub async fn open(&self, terms: LeaseTerms, label: &str) -> Result<Lease, InterceptorError> {
        let address = reachable(self.address().await?);
        let trial_id = format!("gepa-{:032x}", u128::from_le_bytes(random()?));
        let label: String = label
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(64)
            .collect();
        let trace_id = format!("trace_{label}_{:016x}", u64::from_le_bytes(random()?));
        let state = Arc::new(LeaseState::new(terms));
        let registry = Arc::clone(&self.shared.registry);
        registry.insert(trial_id.clone(), Arc::clone(&state));
        Ok(Lease {
            registry,
            state,
            inference_url: format!("http://{address}/v1/{trial_id}?cid={trace_id}"),
            trial_id,
            trace_id,
        })
    }
}

impl fmt::Debug for Interceptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.shared.listening.get().map(|bound| bound.address);
        formatter
            .debug_struct("Interceptor")
            .field("listen", &self.shared.listen)
            .field("address", &address)
            .finish_non_exhaustive()
    }
}

/// If the service listens on every interface, apps on this machine reach it through loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(loopback);
    }
    address
}

fn random<const N: usize>() -> Result<[u8; N], InterceptorError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| InterceptorError::Random(error.to_string()))?;
    Ok(bytes)
}
