//! TLS towards services: trusted is what the system's bundle or the channel's file holds. There is no way to go on
//! without trust, because secrets are sent. Revocation is not checked.

use std::{fs, path::Path, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
};

use crate::Failure;

/// Where systems keep the certificates that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Largest bundle that is read; a larger one is refused.
const BUNDLE_BYTES_MAX: u64 = 8 << 20;

/// The certificates that are trusted, never none.
pub(crate) fn roots(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let bundle = ca_file.or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists()));
    let bundle = bundle.ok_or_else(|| {
        Failure::passing("this system has no bundle of trusted certificates; name one with ca_file")
    })?;
    let unusable = |reason: &dyn ToString| {
        Failure::passing(format!("{}: {}", bundle.display(), reason.to_string()))
    };
    if fs::metadata(bundle).map_err(|error| unusable(&error))?.len() > BUNDLE_BYTES_MAX {
        return Err(unusable(&format!("more than {BUNDLE_BYTES_MAX} bytes")));
    }
    let bytes = fs::read(bundle).map_err(|error| unusable(&error))?;
    // Bundles hold old certificates that cannot be read; the others count.
    let readable = |certificate: &CertificateDer<'_>| {
        RootCertStore::empty().add_parsable_certificates([certificate.clone()]).0 == 1
    };
    let certificates = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok);
    let certificates: Vec<_> = certificates.filter(readable).collect();
    if certificates.is_empty() {
        return Err(unusable(&"no certificate in PEM form"));
    }
    Ok(certificates)
}

pub(crate) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, Failure> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots(ca_file)?);
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Failure::passing)?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
