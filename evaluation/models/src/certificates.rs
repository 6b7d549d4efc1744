//! Certificates that a user trusts by name. A certificate that was made by hand is often its own
//! authority; the usual check refuses such a one as a server's certificate, though it is the very file
//! that the user named.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Names a file of certificates (PEM) that are trusted in place of the system's.
const FILE_VARIABLE: &str = "SSL_CERT_FILE";

/// Accepts what the usual check accepts, and the named certificates themselves.
#[derive(Debug)]
struct NamedCertificates {
    named: Vec<CertificateDer<'static>>,
    usual: Arc<WebPkiServerVerifier>,
}

/// The settings of encrypted connections where [`FILE_VARIABLE`] names a file with certificates; `None`
/// where it does not, and the system's certificates count.
pub(super) fn named_certificates() -> Option<ClientConfig> {
    let file = std::env::var_os(FILE_VARIABLE)?;
    let named: Vec<_> = CertificateDer::pem_file_iter(file)
        .ok()?
        .filter_map(Result::ok)
        .collect();
    config_trusting(named)
}

fn config_trusting(named: Vec<CertificateDer<'static>>) -> Option<ClientConfig> {
    let provider = CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(ring::default_provider()));
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(named.iter().cloned());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = NamedCertificates {
        named,
        usual: usual.build().ok()?,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Some(config)
}

impl ServerCertVerifier for NamedCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if checked.is_ok() || !self.named.contains(end_entity) {
            return checked;
        }
        // It is one of the named files, byte for byte. The name in it still has to be the server's.
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_name(&certificate, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate for `localhost` that is its own authority.
    const OWN: &str = "\
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUALWaTBPlzqUwQ/uRjOlIIT1E/9QwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNzExMDAwOFoYDzIxMjYxMTAz
MTEwMDA4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAREqll1fkm/BrnGt5MHSW0rdK2tCep+UYW6t2rOOvA6Qw3Renm6FRsE
pLC3Nq610jeEtGfdGOuxL2yMeoNzMUfio2kwZzAdBgNVHQ4EFgQUaqoy7Oo0WVf2
Oa27Gb7c1uYDc1UwHwYDVR0jBBgwFoAUaqoy7Oo0WVf2Oa27Gb7c1uYDc1UwFAYD
VR0RBA0wC4IJbG9jYWxob3N0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIhAPfXIXOhhZAev/guTBF77evAy2ezNYsHhqoAppoT/SicAiBTK5eiiFIv
K+U897uzI3mPj2cuuRLSZmApTJTxjzuwGg==
-----END CERTIFICATE-----
";

    fn verdict(named: &[CertificateDer<'static>], name: &'static str) -> Result<(), Error> {
        let server = CertificateDer::from_pem_slice(OWN.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates([server.clone()]);
        let provider = Arc::new(ring::default_provider());
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = NamedCertificates {
            named: named.to_vec(),
            usual: usual.build().unwrap(),
        };
        let name = ServerName::try_from(name).unwrap();
        let checked = verifier.verify_server_cert(&server, &[], &name, &[], UnixTime::now());
        checked.map(|_| ())
    }

    #[test]
    fn a_certificate_that_is_its_own_authority_counts_where_its_file_is_named() {
        let own = CertificateDer::from_pem_slice(OWN.as_bytes()).unwrap();
        assert!(verdict(&[], "localhost").is_err());
        assert_eq!(verdict(std::slice::from_ref(&own), "localhost"), Ok(()));
        assert!(verdict(std::slice::from_ref(&own), "other.example").is_err());
        assert!(config_trusting(vec![own]).is_some());
        assert!(config_trusting(Vec::new()).is_none());
    }
}
