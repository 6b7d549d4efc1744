//! Addresses of HTTP services, with the checks that a configuration needs.

use std::net::{IpAddr, Ipv6Addr};

use reqwest::Url;

/// An `http://` or `https://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    url: Url,
}

/// Why a text is no such address; reads after the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL, or of another scheme.
    #[error("must be an address such as http://127.0.0.1:8114 or https://host")]
    NoHttp,
    /// Contains a user name or password.
    #[error("must not contain a user name or password; keys come from the environment")]
    Credentials,
    /// Paths are appended to it, but it has a query or a fragment.
    #[error("must not contain `?` or `#`")]
    Query,
}

/// Hosts at which clouds give credentials to any program that runs inside.
const METADATA_HOSTS: [&str; 2] = ["metadata.google.internal", "metadata"];

impl HttpAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text.trim()).map_err(|_| AddressError::NoHttp)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::NoHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        Ok(Self { url })
    }

    /// Reads an address to which paths are appended.
    pub fn parse_base(text: &str) -> Result<Url, AddressError> {
        let url = Self::parse(text)?.url;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        Ok(url)
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Whether the host is this machine: `localhost`, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Whether the host is written as a link-local address or is one that serves a cloud's metadata.
    /// Names are not looked up.
    pub fn is_link_local(&self) -> bool {
        let host = self
            .url
            .host_str()
            .unwrap_or_default()
            .trim_end_matches('.');
        if METADATA_HOSTS
            .iter()
            .any(|known| host.eq_ignore_ascii_case(known))
        {
            return true;
        }
        let address = host.trim_start_matches('[').trim_end_matches(']');
        match address.parse() {
            Ok(IpAddr::V4(address)) => address.is_link_local(),
            Ok(IpAddr::V6(address)) => is_link_local(address),
            Err(_) => false,
        }
    }
}

/// Whether the host is this machine: `localhost`, or a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn is_link_local(address: Ipv6Addr) -> bool {
    let embedded = address
        .to_ipv4_mapped()
        .is_some_and(|address| address.is_link_local());
    embedded || address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_http_without_credentials() {
        assert!(HttpAddress::parse("http://127.0.0.1:8114").is_ok());
        assert!(HttpAddress::parse("https://host/path").is_ok());
        for wrong in [
            "",
            "127.0.0.1:8114",
            "ftp://host",
            "file:///etc/passwd",
            "http://",
        ] {
            assert_eq!(
                HttpAddress::parse(wrong),
                Err(AddressError::NoHttp),
                "{wrong}"
            );
        }
        assert_eq!(
            HttpAddress::parse("http://me:pw@host"),
            Err(AddressError::Credentials)
        );
    }

    #[test]
    fn paths_are_appended_to_addresses_without_query_and_fragment() {
        assert!(HttpAddress::parse_base("https://host/path/").is_ok());
        for wrong in ["https://host/?key=1", "https://host/path#top"] {
            assert_eq!(HttpAddress::parse_base(wrong), Err(AddressError::Query));
        }
    }

    #[test]
    fn link_local_and_metadata_hosts_are_known_however_they_are_written() {
        let is_link_local = |text| HttpAddress::parse(text).unwrap().is_link_local();
        for text in [
            "http://169.254.169.254/latest",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[fe80::1]:80",
            "http://[::ffff:169.254.169.254]/",
            "http://metadata.google.internal",
            "http://METADATA.google.internal./",
        ] {
            assert!(is_link_local(text), "{text}");
        }
        for text in [
            "http://127.0.0.1",
            "http://[::1]",
            "https://host",
            "http://10.0.0.1",
        ] {
            assert!(!is_link_local(text), "{text}");
        }
    }
}
