//! TLS for connections, with the library and the provider that HTTP uses.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use gepa_engine::StoreError;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Opens TLS sessions.
#[derive(Clone)]
pub(crate) struct Encryption(Arc<ClientConfig>);

/// Opens one session with a server.
pub(crate) struct Handshake {
    connector: TlsConnector,
    server: ServerName<'static>,
}

/// An encrypted connection.
pub(crate) struct Encrypted(TlsStream<Socket>);

impl Encryption {
    /// Trusts the authorities of a PEM file, or those of the system.
    pub(crate) fn new(authorities: Option<&Path>) -> Result<Self, StoreError> {
        let problem = |error: &dyn std::fmt::Display| {
            StoreError::Storage(format!("TLS for the database cannot be set up: {error}"))
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(&error))?;
        let config = match authorities {
            None => builder
                .with_platform_verifier()
                .map_err(|error| problem(&error))?
                .with_no_client_auth(),
            Some(path) => builder
                .with_root_certificates(read_authorities(path)?)
                .with_no_client_auth(),
        };
        Ok(Self(Arc::new(config)))
    }
}

fn read_authorities(path: &Path) -> Result<RootCertStore, StoreError> {
    let problem = |error: &dyn std::fmt::Display| {
        let path = path.display();
        StoreError::Storage(format!("`sslrootcert={path}` cannot be used: {error}"))
    };
    let mut authorities = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| problem(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| problem(&error))?;
        authorities
            .add(certificate)
            .map_err(|error| problem(&error))?;
    }
    if authorities.is_empty() {
        return Err(problem(&"it holds no certificate in PEM form"));
    }
    Ok(authorities)
}

impl MakeTlsConnect<Socket> for Encryption {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        Ok(Handshake {
            connector: TlsConnector::from(Arc::clone(&self.0)),
            server: ServerName::try_from(domain)?.to_owned(),
        })
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Encrypted>>;

    fn connect(self, stream: Socket) -> Self::Future {
        let connected = self.connector.connect(self.server, stream);
        connected.map(|stream| stream.map(Encrypted)).boxed()
    }
}

impl tokio_postgres::tls::TlsStream for Encrypted {
    /// The certificate is verified, so the password exchange is not bound to the session as well.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
