//! Where a queue is, who asks, and how long.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The address of a queue and the credentials for it.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`; several servers of a cluster are separated by commas.
    pub url: String,
    /// The credentials.
    pub login: Login,
}

/// Credentials for a queue; none by default. Prints as a placeholder.
#[derive(Clone, Default)]
pub struct Login {
    /// The user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// A token, instead of user and password.
    pub token: Option<String>,
    /// A file with the root certificates of the server; those of the system by default.
    pub root_certificates: Option<PathBuf>,
    /// The client's certificate and its key, for servers that ask for one.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

impl Login {
    /// The credentials in the variables `GEPA_QUEUE_USER`, `GEPA_QUEUE_PASSWORD`, `GEPA_QUEUE_TOKEN`,
    /// `GEPA_QUEUE_CA`, `GEPA_QUEUE_CERT` and `GEPA_QUEUE_KEY`, where `value` has them.
    pub fn of_variables<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Self {
        let text = |name: &str| value(name).map(str::to_owned);
        let file = |name: &str| value(name).map(PathBuf::from);
        Self {
            user: text("GEPA_QUEUE_USER"),
            password: text("GEPA_QUEUE_PASSWORD"),
            token: text("GEPA_QUEUE_TOKEN"),
            root_certificates: file("GEPA_QUEUE_CA"),
            client_certificate: file("GEPA_QUEUE_CERT").zip(file("GEPA_QUEUE_KEY")),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[login]")
    }
}

/// An address without what stands before the `@` of its host.
pub fn without_password(url: &str) -> String {
    let parts = url.split(',').map(|part| {
        let (scheme, rest) = part.split_once("://").unwrap_or(("nats", part));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        format!("{}://{}", scheme.trim(), host.trim())
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Settings of an engine's side of a queue.
#[derive(Clone, Copy, Debug)]
pub struct DeskSettings {
    /// How long work may wait while no fitting worker is there, or no queue, before the run pauses.
    pub longest_outage: Duration,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            longest_outage: Duration::from_mins(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_holds_a_password() {
        let url = "nats://me:secret@one:4222,tls://two:4223";
        assert_eq!(without_password(url), "nats://one:4222,tls://two:4223");
        let login = Login {
            password: Some("secret".to_owned()),
            ..Login::default()
        };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
