//! URLs of the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE?KEY=VALUE`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gepa_engine::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The variable with the password, for URLs that hold none.
const PASSWORD_VARIABLE: &str = "PGPASSWORD";

/// The number of connections when the URL names none.
const CONNECTIONS: usize = 8;

/// The keys that this program takes out of the URL. The rest is for the client library.
const KEYS: [&str; 5] = ["schema", "connections", "prepare", "sslmode", "sslrootcert"];

/// Where a database is and how it is used. `Debug` shows no password.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) config: Config,
    /// The schema that holds the tables.
    pub(crate) schema: String,
    /// The most connections of the pool.
    pub(crate) connections: usize,
    /// Whether statements stay prepared on a connection. A pooler in transaction mode forbids it.
    pub(crate) prepare: bool,
    pub(crate) tls: Tls,
}

/// How connections are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// They are not.
    Off,
    /// Encrypted; the server shows a certificate that an authority of the system or of this file
    /// has signed.
    Verified(Option<PathBuf>),
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut own: [Option<String>; KEYS.len()] = Default::default();
        let mut others = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match KEYS.iter().position(|known| *known == key) {
                Some(place) => own[place] = Some(value.to_owned()),
                None => others.push(pair),
            }
        }
        let [schema, connections, prepare, mode, root] = own;
        let mut config: Config = [base, &others.join("&")]
            .join("?")
            .trim_end_matches('?')
            .parse()
            .map_err(|error| {
                bad(format_args!(
                    "the database URL cannot be read: {}",
                    Causes(&error)
                ))
            })?;
        if config.get_password().is_none()
            && let Ok(password) = std::env::var(PASSWORD_VARIABLE)
        {
            config.password(password);
        }
        if config.get_hosts().is_empty() {
            return Err(bad(
                "the database URL names no host; write postgres://USER@HOST/DATABASE",
            ));
        }
        let tls = tls(mode.as_deref(), root, &config)?;
        config.ssl_mode(match tls {
            Tls::Off => SslMode::Disable,
            Tls::Verified(_) => SslMode::Require,
        });
        config.application_name("gepa");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        // A connection that was cut without a word is noticed after these times.
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(15));
        }
        Ok(Self {
            schema: schema_name(schema)?,
            connections: count(connections)?,
            prepare: flag("prepare", prepare.as_deref())?,
            tls,
            config,
        })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Address({self})")
    }
}

/// Host, database and schema.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".to_owned(),
        };
        let database = self.config.get_dbname().unwrap_or("postgres");
        write!(
            formatter,
            "postgres at {host}, database {database}, schema {}",
            self.schema
        )
    }
}

/// An error with its causes, which the client library leaves out of its messages.
pub(crate) struct Causes<'e>(pub(crate) &'e (dyn std::error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn tls(mode: Option<&str>, root: Option<String>, config: &Config) -> Result<Tls, StoreError> {
    let root = root.map(PathBuf::from);
    match mode {
        Some("disable") => Ok(Tls::Off),
        Some("require" | "verify-full") => Ok(Tls::Verified(root)),
        Some(other) => Err(bad(format_args!(
            "`sslmode={other}` is not known; write disable, or verify-full (require means the same here)"
        ))),
        None if root.is_none() && config.get_hosts().iter().all(is_local) => Ok(Tls::Off),
        None => Ok(Tls::Verified(root)),
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            name == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn schema_name(name: Option<String>) -> Result<String, StoreError> {
    let name = name.unwrap_or_else(|| "gepa".to_owned());
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let begins_well = name
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    if begins_well && name.len() <= 60 && name.bytes().all(is_plain) {
        return Ok(name);
    }
    Err(bad(format_args!(
        "`schema={name}` is no name; use at most 60 small letters, digits and `_`, a letter first"
    )))
}

fn count(connections: Option<String>) -> Result<usize, StoreError> {
    let Some(text) = connections else {
        return Ok(CONNECTIONS);
    };
    match text.parse() {
        Ok(count @ 1..=1_000) => Ok(count),
        _ => Err(bad(format_args!(
            "`connections={text}` is no number from 1 to 1000"
        ))),
    }
}

fn flag(key: &str, value: Option<&str>) -> Result<bool, StoreError> {
    match value {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(bad(format_args!(
            "`{key}={other}` is neither true nor false"
        ))),
    }
}

fn bad(message: impl fmt::Display) -> StoreError {
    StoreError::Storage(message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_schema_connections_and_protection() {
        let plain = Address::parse("postgres://me:secret@localhost/runs").expect("a URL");
        assert_eq!(
            (plain.schema.as_str(), plain.connections),
            ("gepa", CONNECTIONS)
        );
        assert_eq!((plain.tls.clone(), plain.prepare), (Tls::Off, false));
        assert!(!format!("{plain:?}").contains("secret"));
        let url = "postgresql://me@db.example/runs?schema=team_a&connections=3&prepare=true";
        let far = Address::parse(url).expect("a URL");
        assert_eq!((far.schema.as_str(), far.connections), ("team_a", 3));
        assert_eq!((far.tls.clone(), far.prepare), (Tls::Verified(None), true));
    }

    #[test]
    fn a_wrong_key_is_named_and_the_password_is_not() {
        for (query, named) in [
            ("schema=A;drop", "schema=A;drop"),
            ("connections=0", "connections=0"),
            ("prepare=maybe", "prepare=maybe"),
            ("sslmode=prefer", "sslmode=prefer"),
            ("colour=red", "colour"),
        ] {
            let url = format!("postgres://me:secret@localhost/runs?{query}");
            let error = Address::parse(&url).expect_err(query).to_string();
            assert!(
                error.contains(named) && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
