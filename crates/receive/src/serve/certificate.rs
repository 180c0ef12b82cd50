//! The certificate that receivers show, read again when its files have changed.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use super::{StartError, TlsFiles};

/// Larger files are none of these.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Tells one state of the files from another without reading them.
type State = Vec<Option<(u64, u64, i64, i64)>>;

pub(super) struct Certificate {
    files: TlsFiles,
    /// What is agreed on with a client besides: `h2` with those of gRPC, which insist on it, nothing with others.
    protocol: Option<&'static [u8]>,
    /// What is shown, and the state of the files in which that was read, or in which it could not be.
    current: Mutex<(State, TlsAcceptor)>,
}

impl Certificate {
    pub(super) fn load(
        files: &TlsFiles,
        protocol: Option<&'static [u8]>,
    ) -> Result<Self, StartError> {
        let state = state(files);
        let current = Mutex::new((state, acceptor(files, protocol)?));
        Ok(Self { files: files.clone(), protocol, current })
    }

    /// For the next connection. What cannot be read leaves all as it was, and is told once.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state(&self.files);
        if state != current.0 {
            current.0 = state;
            match acceptor(&self.files, self.protocol) {
                Ok(acceptor) => current.1 = acceptor,
                Err(error) => tracing::error!("receivers keep their old certificate: {error}"),
            }
        }
        current.1.clone()
    }
}

fn state(files: &TlsFiles) -> State {
    let paths = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
    let state = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    };
    paths.into_iter().flatten().map(state).collect()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err("it is no file; name one that holds PEM".into());
    }
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes, so it is none of these"));
    }
    Ok(bytes)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let bytes = read(path).map_err(|reason| bad(path, reason))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad(path, "there is no certificate in it")),
        Err(error) => Err(bad(path, error)),
    }
}

fn bad(path: &Path, reason: impl ToString) -> StartError {
    StartError::Tls { path: path.to_owned(), reason: reason.to_string() }
}

fn acceptor(files: &TlsFiles, protocol: Option<&[u8]>) -> Result<TlsAcceptor, StartError> {
    let chain = certificates(&files.certificate)?;
    let key = read(&files.key).map_err(|reason| bad(&files.key, reason))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| bad(&files.key, error))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&files.certificate, error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| bad(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = verifier.build().map_err(|error| bad(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| bad(&files.key, error))?;
    config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
