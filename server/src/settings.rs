//! The settings of a server.

use std::fmt;
use std::path::PathBuf;

use crate::jobs::OutageSettings;

/// Limits and key of a server.
#[derive(Clone)]
pub struct ServerSettings {
    /// Jobs that run at a time, at least 1.
    pub max_jobs: usize,
    /// Jobs that may wait for a slot; further submissions are refused.
    pub max_queued: usize,
    /// Event streams open at a time.
    pub max_streams: usize,
    /// How jobs wait for a provider or task app that is down.
    pub outage: OutageSettings,
    /// The key that every request except `/health` must carry. `None`: no request needs a key.
    pub api_key: Option<String>,
    /// A file of further keys, with roles and tenants; it is read again when it changes.
    pub keys_file: Option<PathBuf>,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_jobs: 4,
            max_queued: 1_000,
            max_streams: 256,
            outage: OutageSettings::default(),
            api_key: None,
            keys_file: None,
        }
    }
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerSettings")
            .field("max_jobs", &self.max_jobs)
            .field("max_queued", &self.max_queued)
            .field("max_streams", &self.max_streams)
            .field("outage", &self.outage)
            .field("has_key", &self.api_key.is_some())
            .field("keys_file", &self.keys_file)
            .finish()
    }
}
