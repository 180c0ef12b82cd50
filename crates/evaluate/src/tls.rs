//! TLS towards an endpoint: trusted is what the system's bundle or the given file holds. There is no way
//! to go on without trust, because a key may be sent. Revocation is not checked.

use std::{fs, path::Path, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
};

use crate::Problem;

/// Where systems keep the certificates that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Largest bundle that is read; a larger one is refused.
const BUNDLE_BYTES_MAX: u64 = 8 << 20;

pub(crate) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, Problem> {
    let bundle = ca_file.or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists()));
    let bundle = bundle.ok_or_else(|| Problem::new("bench.no_ca_bundle", []))?;
    let unusable = |reason: &dyn ToString| {
        Problem::new("bench.file", [("path", &bundle.display()), ("reason", reason)])
    };
    if fs::metadata(bundle).map_err(|error| unusable(&error))?.len() > BUNDLE_BYTES_MAX {
        return Err(unusable(&format!("> {BUNDLE_BYTES_MAX} bytes")));
    }
    let bytes = fs::read(bundle).map_err(|error| unusable(&error))?;
    let mut roots = RootCertStore::empty();
    // Bundles hold old certificates that cannot be read; the others count.
    let (added, _) = roots
        .add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok));
    if added == 0 {
        return Err(Problem::new("bench.no_certificate", [("path", &bundle.display())]));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
