//! Engines behind mutual TLS.

use std::path::Path;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError};

use super::TIMEOUT;
use crate::engine::{Certificates, EngineError, TlsFault};
use crate::tls;

/// A client with the certificates of a folder, all of which are looked at first: bollard reads them in the middle of a
/// handshake, and goes without those that it cannot read.
pub(super) fn open(authority: &str, certificates: &Certificates) -> Result<Docker, EngineError> {
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| certificates.folder.join(name));
    let unusable = |file: &Path, reason: String| EngineError::Certificate {
        address: format!("https://{authority}"),
        file: file.to_owned(),
        chosen_by: certificates.chosen_by.clone(),
        reason,
    };
    for file in [&ca, &cert] {
        let read = std::fs::read(file).map_err(|error| unusable(file, error.to_string()))?;
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read).collect();
        if !parsed.is_ok_and(|all| !all.is_empty()) {
            return Err(unusable(file, "it holds no certificate in PEM form".to_owned()));
        }
    }
    let read = std::fs::read(&key).map_err(|error| unusable(&key, error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&read)
        .map_err(|_| unusable(&key, "it holds no unencrypted private key in PEM form".to_owned()))?;
    Docker::connect_with_ssl(
        &format!("https://{authority}"),
        &key,
        &cert,
        &ca,
        TIMEOUT.as_secs(),
        API_DEFAULT_VERSION,
    )
    .map_err(|error| unusable(&ca, error.to_string()))
}

/// What failed between the two sides, if it was TLS.
pub(super) fn fault(error: &Error) -> Option<TlsFault> {
    if let Error::DockerResponseServerError { message, .. } = error {
        // What Go's servers, Docker's among them, answer on a port with TLS.
        return message
            .contains("HTTP request to an HTTPS server")
            .then_some(TlsFault::Encrypted);
    }
    tls::cause(error).map(fault_of)
}

fn fault_of(error: &rustls::Error) -> TlsFault {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => TlsFault::OtherHost,
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                TlsFault::Expired
            }
            Bad::UnknownIssuer | Bad::BadSignature => TlsFault::UnknownEngine,
            _ => TlsFault::Other,
        },
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError,
        ) => TlsFault::Refused,
        rustls::Error::InvalidMessage(_) => TlsFault::Plain,
        _ => TlsFault::Other,
    }
}
