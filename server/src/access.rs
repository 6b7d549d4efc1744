//! Who may do what: the keys of a server, their roles, and the quotas of tenants. They come from a file
//! that is read again when it changes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

/// How often the file is looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// What the holder of a key may do. Each role may also do what the roles before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// See jobs, events, results and the pages.
    Read,
    /// Submit jobs; steer, pause, resume, cancel or label those of the own tenant.
    Submit,
    /// Steer, pause, resume, cancel or label every job and other runs of the store; delete runs.
    Administer,
}

/// A tenant's part of the capacity of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantQuota {
    /// Its name.
    pub tenant: String,
    /// Its share against those of other tenants with waiting jobs, above 0.
    pub share: f64,
    /// The most jobs that run at once.
    pub max_running: Option<u64>,
    /// Rollouts in a day, UTC, after which no further job begins.
    pub rollouts_per_day: Option<u64>,
    /// Tokens in a day, UTC, after which no further job begins.
    pub tokens_per_day: Option<u64>,
    /// Micro-dollars in a day, UTC, after which no further job begins.
    pub micro_usd_per_day: Option<u64>,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// Empty for a key without a tenant.
    pub(crate) tenant: String,
}

/// The keys and quotas in force.
#[derive(Clone)]
pub(crate) struct Access {
    /// The hash of the key from the environment. It may do everything.
    own: Option<blake3::Hash>,
    file: Option<Arc<Mutex<Watched>>>,
}

/// A file of keys, as it was read last.
struct Watched {
    path: PathBuf,
    seen: Option<(SystemTime, u64)>,
    looked: Instant,
    rules: Rules,
}

#[derive(Clone, Debug, Default)]
struct Rules {
    keys: Vec<(blake3::Hash, Caller)>,
    quotas: Vec<TenantQuota>,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the keys in {path}: {problem}")]
pub struct AccessError {
    path: String,
    problem: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    keys: Vec<KeyEntry>,
    #[serde(default)]
    tenants: BTreeMap<String, TenantEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    name: String,
    /// SHA-256 of the key, 64 hexadecimal digits. The file holds no key.
    sha256: String,
    role: Role,
    #[serde(default)]
    tenant: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantEntry {
    share: Option<f64>,
    max_running: Option<u64>,
    rollouts_per_day: Option<u64>,
    tokens_per_day: Option<u64>,
    dollars_per_day: Option<f64>,
}

impl Access {
    pub(crate) fn new(api_key: Option<&str>, file: Option<&Path>) -> Result<Self, AccessError> {
        let file = match file {
            None => None,
            Some(path) => Some(Arc::new(Mutex::new(Watched {
                seen: stamp(path),
                rules: Rules::read(path)?,
                path: path.to_owned(),
                looked: Instant::now(),
            }))),
        };
        Ok(Self {
            own: api_key.map(|key| blake3::hash(key.as_bytes())),
            file,
        })
    }

    /// One key, which may do everything.
    pub(crate) fn of_key(key: &str) -> Self {
        Self {
            own: Some(blake3::hash(key.as_bytes())),
            file: None,
        }
    }

    /// Who presents this key; `None` if the key is missing or wrong. Without any key in force every
    /// request may do everything.
    pub(crate) fn caller(&self, key: Option<&[u8]>) -> Option<Caller> {
        let all = || Caller {
            role: Role::Administer,
            tenant: String::new(),
        };
        if self.own.is_none() && self.file.is_none() {
            return Some(all());
        }
        let key = key?;
        // `blake3::Hash` compares in constant time.
        if self.own.is_some_and(|own| blake3::hash(key) == own) {
            return Some(all());
        }
        let presented = blake3::hash(digest(&SHA256, key).as_ref());
        let mut found = None;
        for (hash, caller) in self.rules().keys {
            if hash == presented {
                found = Some(caller);
            }
        }
        found
    }

    /// The quotas of all tenants.
    pub(crate) fn quotas(&self) -> Vec<TenantQuota> {
        self.rules().quotas
    }

    /// Fails if the file has tenants: only engines that share a store keep quotas.
    pub(crate) fn refuse_quotas(&self) -> Result<(), AccessError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let file = file.lock();
        if file.rules.quotas.is_empty() {
            return Ok(());
        }
        Err(AccessError {
            path: file.path.display().to_string(),
            problem: "[tenants] needs a store of the form postgres://HOST/DATABASE; serve one, or \
                      leave the tenants out"
                .to_owned(),
        })
    }

    fn rules(&self) -> Rules {
        match &self.file {
            None => Rules::default(),
            Some(file) => {
                let mut file = file.lock();
                file.refresh();
                file.rules.clone()
            }
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Access")
            .field("has_key", &self.own.is_some())
            .field("has_file", &self.file.is_some())
            .finish()
    }
}

impl Watched {
    fn refresh(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let seen = stamp(&self.path);
        if seen == self.seen {
            return;
        }
        match Rules::read(&self.path) {
            Ok(rules) => {
                tracing::info!(path = %self.path.display(), keys = rules.keys.len(), "the keys were read again");
                self.rules = rules;
                self.seen = seen;
            }
            // The keys read before stay in force, and the next look tries again.
            Err(error) => tracing::error!(%error, "the changed keys are not used"),
        }
    }
}

impl Rules {
    fn read(path: &Path) -> Result<Self, AccessError> {
        let failed = |problem: String| AccessError {
            path: path.display().to_string(),
            problem,
        };
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let file: KeysFile = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let mut rules = Self::default();
        for entry in file.keys {
            let hash = sha256(&entry.sha256).ok_or_else(|| {
                failed(format!(
                    "`sha256` of key `{}` is not 64 hexadecimal digits; `printf %s KEY | sha256sum` \
                     prints them",
                    entry.name
                ))
            })?;
            let caller = Caller {
                role: entry.role,
                tenant: entry.tenant,
            };
            rules.keys.push((hash, caller));
        }
        for (tenant, entry) in file.tenants {
            let share = entry.share.unwrap_or(1.0);
            if !(share.is_finite() && share > 0.0) {
                return Err(failed(format!(
                    "`share` of tenant `{tenant}` must be above 0"
                )));
            }
            if entry
                .dollars_per_day
                .is_some_and(|dollars| dollars.is_nan() || dollars < 0.0)
            {
                return Err(failed(format!(
                    "`dollars_per_day` of tenant `{tenant}` must not be below 0"
                )));
            }
            rules.quotas.push(TenantQuota {
                tenant,
                share,
                max_running: entry.max_running,
                rollouts_per_day: entry.rollouts_per_day,
                tokens_per_day: entry.tokens_per_day,
                micro_usd_per_day: entry.dollars_per_day.map(|dollars| (dollars * 1e6) as u64),
            });
        }
        Ok(rules)
    }
}

/// The hash of a SHA-256 that is written in hexadecimal digits.
fn sha256(text: &str) -> Option<blake3::Hash> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    Some(blake3::hash(&pairs.collect::<Option<Vec<u8>>>()?))
}

/// What changes when a file is written.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_file_has_its_role_and_the_key_of_the_environment_all() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("keys.toml");
        // The SHA-256 of `abc`.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "[[keys]]\nname = \"ci\"\nsha256 = \"{hash}\"\nrole = \"submit\"\ntenant = \"search\"\n\
             [tenants.search]\nshare = 2.0\nmax_running = 3\ndollars_per_day = 1.5\n"
        );
        fs::write(&path, &text).expect("written");
        let access = Access::new(Some("root"), Some(&path)).expect("keys");
        let caller = access.caller(Some(b"abc")).expect("a caller");
        assert_eq!(
            (caller.role, caller.tenant.as_str()),
            (Role::Submit, "search")
        );
        let caller = access.caller(Some(b"root")).expect("a caller");
        assert_eq!(caller.role, Role::Administer);
        assert_eq!(access.caller(Some(b"abd")), None);
        assert_eq!(access.caller(None), None);
        assert_eq!(access.quotas()[0].micro_usd_per_day, Some(1_500_000));

        for (from, to, named) in [
            (hash, "ba78", "sha256"),
            ("submit", "rule", "rule"),
            ("max_running", "max_runing", "max_runing"),
            ("share = 2.0", "share = 0.0", "share"),
        ] {
            fs::write(&path, text.replace(from, to)).expect("written");
            let error = Access::new(None, Some(&path)).expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
