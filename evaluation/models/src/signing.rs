//! Signing requests with the keys of an AWS account (Signature Version 4).

use std::fmt::Write;

use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use ring::{digest, hmac};

use super::api_key::ApiKey;
use super::dialect::escaped;

/// The keys and the region that sign requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AwsKeys {
    pub(super) access_key: ApiKey,
    pub(super) secret_key: ApiKey,
    pub(super) session_token: Option<ApiKey>,
    pub(super) region: String,
}

impl AwsKeys {
    /// The headers that sign a POST of `body`; `None` where a key cannot be sent.
    pub(super) fn headers(
        &self,
        service: &str,
        url: &Url,
        body: &[u8],
        now: Timestamp,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = &time[..8];
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let mut signed = vec![("host", host), ("x-amz-date", time.clone())];
        if let Some(token) = &self.session_token {
            signed.push(("x-amz-security-token", token.reveal().to_owned()));
        }
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: Vec<String> = signed
            .iter()
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        let lines = lines.join("\n");
        // Every service but one expects the path to be escaped once more than in the address.
        let path: Vec<String> = url.path().split('/').map(escaped).collect();
        let request = format!(
            "POST\n{}\n{}\n{lines}\n\n{names}\n{}",
            path.join("/"),
            url.query().unwrap_or_default(),
            hex(digest::digest(&digest::SHA256, body).as_ref())
        );
        let scope = format!("{day}/{}/{service}/aws4_request", self.region);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref())
        );
        let secret = format!("AWS4{}", self.secret_key.reveal());
        let mut key = mac(secret.as_bytes(), day);
        for part in [self.region.as_str(), service, "aws4_request"] {
            key = mac(key.as_ref(), part);
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.access_key.reveal(),
            hex(mac(key.as_ref(), &to_sign).as_ref())
        );
        signed.push(("authorization", authorization));
        // The HTTP client adds the `host` header itself.
        let headers = signed.iter().filter(|(name, _)| *name != "host");
        headers
            .map(|(name, value)| {
                let mut value = HeaderValue::from_str(value).ok()?;
                value.set_sensitive(true);
                Some((HeaderName::from_static(name), value))
            })
            .collect()
    }
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(session_token: Option<&str>) -> AwsKeys {
        AwsKeys {
            access_key: ApiKey::new("AKIDEXAMPLE"),
            secret_key: ApiKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: session_token.map(ApiKey::new),
            region: "us-east-1".to_owned(),
        }
    }

    fn header(session_token: Option<&str>, url: &str, name: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let headers = keys(session_token)
            .headers("service", &url, b"", now)
            .unwrap();
        let found = headers.into_iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    /// The case `post-vanilla` of the published test suite for this signature.
    #[test]
    fn a_published_example_is_signed_as_published() {
        let expected = "AWS4-HMAC-SHA256 \
            Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, \
            Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        let found = header(None, "https://example.amazonaws.com/", "authorization");
        assert_eq!(found.as_deref(), Some(expected));
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let url = "https://example.amazonaws.com/model/a%3A0/converse";
        let authorization = header(Some("token"), url, "authorization").unwrap();
        assert!(authorization.contains("host;x-amz-date;x-amz-security-token"));
        let token = header(Some("token"), url, "x-amz-security-token");
        assert_eq!(token.as_deref(), Some("token"));
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", keys(Some("token")));
        assert!(
            !shown.contains("AKID") && !shown.contains("wJalr"),
            "{shown}"
        );
    }
}
