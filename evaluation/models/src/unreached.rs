//! Why a connection fails, and what to do about it.

/// The reason why a provider cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstruction {
    /// Nothing listens there.
    Refused,
    /// The host's name has no address.
    UnknownHost,
    /// The certificate is not trusted.
    Certificate,
    /// It answers without TLS.
    NeedsPlain,
    /// It wants TLS.
    NeedsTls,
    /// No answer at all.
    Silent,
    /// Something else.
    Other,
}

/// Whether a failed connection says that the other side answered without TLS.
pub fn answers_without_tls(reason: &str) -> bool {
    Obstruction::of(reason) == Obstruction::NeedsPlain
}

impl Obstruction {
    /// Reads the innermost cause of a failed connection.
    pub(super) fn of(reason: &str) -> Self {
        let reason = reason.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        if says(&["refused"]) {
            Self::Refused
        } else if says(&["certificate"]) {
            // First, since it may quote the host names of the certificate.
            Self::Certificate
        } else if says(&[
            "lookup address",
            "name or service not known",
            "dns",
            "no record",
        ]) {
            Self::UnknownHost
        } else if says(&["corrupt message", "invalidcontenttype"]) {
            Self::NeedsPlain
        } else if says(&["timed out", "timeout", "deadline"]) {
            Self::Silent
        } else {
            Self::Other
        }
    }

    /// Whether a server says that plain HTTP was sent to it where TLS was expected.
    pub(super) fn is_plain_http_refused(said: &str) -> bool {
        let said = said.to_ascii_lowercase();
        said.contains("https port") || said.contains("http request to an https server")
    }

    /// Whether another attempt may succeed, because the provider may be starting.
    pub(super) fn may_pass(self) -> bool {
        matches!(self, Self::Refused | Self::Other)
    }

    /// What to do, where the address comes from `origin`.
    pub(super) fn remedy(self, origin: &str) -> String {
        match self {
            Self::Refused => format!("nothing listens there: start it, or correct {origin}"),
            Self::UnknownHost => {
                format!("the host is not known: correct {origin}, or check the network")
            }
            Self::Certificate => format!(
                "if the certificate is your own, name its file in SSL_CERT_FILE (it must be for this \
                 host); else correct {origin}"
            ),
            Self::NeedsPlain => format!("it answers without TLS: write http:// in {origin}"),
            Self::NeedsTls => {
                format!("it does not answer plain HTTP: write https:// in {origin}")
            }
            Self::Silent => format!(
                "nobody answers, a firewall may be in between: check the network and {origin}"
            ),
            Self::Other => format!("check the network and {origin}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_reason_has_its_own_remedy() {
        for (reason, expected) in [
            ("Connection refused (os error 111)", Obstruction::Refused),
            (
                "failed to lookup address information: Name or service not known",
                Obstruction::UnknownHost,
            ),
            (
                "invalid peer certificate: UnknownIssuer",
                Obstruction::Certificate,
            ),
            (
                "invalid peer certificate: certificate expired",
                Obstruction::Certificate,
            ),
            (
                "certificate not valid for name \"127.0.0.1\"; certificate is only valid for DnsName(\"other\")",
                Obstruction::Certificate,
            ),
            (
                "received corrupt message of type InvalidContentType",
                Obstruction::NeedsPlain,
            ),
            ("operation timed out", Obstruction::Silent),
            ("Network is unreachable", Obstruction::Other),
        ] {
            assert_eq!(Obstruction::of(reason), expected, "{reason}");
        }
    }

    #[test]
    fn servers_that_want_tls_say_so_in_their_own_words() {
        assert!(Obstruction::is_plain_http_refused(
            "400 The plain HTTP request was sent to HTTPS port"
        ));
        assert!(Obstruction::is_plain_http_refused(
            "Client sent an HTTP request to an HTTPS server."
        ));
        assert!(!Obstruction::is_plain_http_refused("bad request"));
    }
}
