//! Encryption: both sides show a certificate of the same authority (mutual TLS).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::Error as E;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::stream::Stream;
use crate::{Error, Result};

/// How long the refused side of a handshake may take to close the connection.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What a process shows to others, and what it asks of them.
#[derive(Clone)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Reads PEM files: this process's certificate (with those between it and the authority), its private key, and the
    /// certificate of the authority that all processes have theirs from.
    pub fn read(certificate: &Path, key: &Path, authority: &Path) -> Result<Self> {
        let refuse = |path: &Path, problem: String| Error::CertificateFile { path: path.display().to_string(), problem };
        let certificates = |path: &Path| {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let read = read.map_err(|error| refuse(path, format!("{error}; give a PEM file with a certificate")))?;
            if read.is_empty() { Err(refuse(path, "it has no certificate; give a PEM file with one".into())) } else { Ok(read) }
        };
        let mut roots = RootCertStore::empty();
        for root in certificates(authority)? {
            roots.add(root).map_err(|error| refuse(authority, format!("{error}; give the certificate of an authority")))?;
        }
        let (roots, chain) = (Arc::new(roots), certificates(certificate)?);
        let secret =
            || PrivateKeyDer::from_pem_file(key).map_err(|error| refuse(key, format!("{error}; give a PEM file with a private key")));
        let does_not_fit = |error: rustls::Error| refuse(key, format!("it does not belong to {}: {error}", certificate.display()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let no_verifier = |error| refuse(authority, format!("{error}"));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build().map_err(no_verifier)?;
        let safe = |error: rustls::Error| refuse(certificate, error.to_string());
        let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(safe)?;
        let client = client.with_root_certificates(roots).with_client_auth_cert(chain.clone(), secret()?).map_err(does_not_fit)?;
        let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(safe)?;
        let server = server.with_client_cert_verifier(verifier).with_single_cert(chain, secret()?).map_err(does_not_fit)?;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    /// The calling side of a connection to HOST:PORT.
    pub(crate) async fn connect(&self, stream: TcpStream, alpn: &[u8], address: &str) -> Result<Stream> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
        let not_that = |_| Error::Address { address: address.into(), rule: "write HOST:PORT" };
        let name = ServerName::try_from(host.to_owned()).map_err(not_that)?;
        let mut config = (*self.client).clone();
        config.alpn_protocols = vec![alpn.into()];
        let made = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let made = made.map_err(|error| explain(&error, address).unwrap_or(Error::Io(error)))?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(made))))
    }

    /// The listening side.
    pub(crate) async fn accept(&self, stream: TcpStream, alpn: &[u8]) -> Result<Stream> {
        let mut config = (*self.server).clone();
        config.alpn_protocols = vec![alpn.into()];
        match TlsAcceptor::from(Arc::new(config)).accept(stream).into_fallible().await {
            Ok(made) => Ok(Stream::Tls(Box::new(TlsStream::Server(made)))),
            Err((error, mut stream)) => {
                // Closed with something unread the connection would be reset, and the other side not hear why.
                let _ = stream.shutdown().await;
                let unread = async { while stream.read(&mut [0; 512]).await.is_ok_and(|bytes| bytes > 0) {} };
                let _ = timeout(DRAIN_TIMEOUT, unread).await;
                Err(error.into())
            }
        }
    }
}

/// What went wrong in the TLS below an error, if something did.
pub fn explain(error: &(dyn std::error::Error + 'static), address: &str) -> Option<Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        let found = error.downcast_ref::<rustls::Error>().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(found) = found {
            return Some(Error::Handshake { address: address.into(), problem: found.to_string(), advice: advice(found) });
        }
        let told = error.to_string();
        if told.contains("received fatal alert") {
            // HTTP/2 keeps of an error beneath it nothing but its text.
            let is_old = told.contains("CertificateExpired");
            let advice = if is_old { advice(&E::AlertReceived(AlertDescription::CertificateExpired)) } else { ANOTHER };
            return Some(Error::Handshake { address: address.into(), problem: told, advice });
        }
        at = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    }
    None
}

const ANOTHER: &str = "both sides need a certificate of the same transport.tls.authority";

/// What to do.
fn advice(error: &rustls::Error) -> &'static str {
    const EXPIRED: &str = "make a new certificate, or set the clock right";
    match error {
        E::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => EXPIRED,
        E::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => EXPIRED,
        E::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "its certificate names other hosts (subjectAltName); connect to one of these names, or make one with this name"
        }
        E::InvalidCertificate(_) => ANOTHER,
        E::AlertReceived(AlertDescription::CertificateExpired) => "this side's certificate has expired; make a new one",
        E::AlertReceived(AlertDescription::NoApplicationProtocol) => "give both sides the same transport.protocol",
        E::AlertReceived(_) => ANOTHER,
        E::InvalidMessage(_) => "it does not speak TLS; give both sides the same transport.tls and transport.protocol",
        _ => "give both sides the same transport.tls",
    }
}
