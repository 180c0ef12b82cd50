//! The certificate and key of a listener, read again when their files change.
//!
//! Connections that are open keep what they began with. What cannot be used changes nothing but is told, once
//! for each state of the files. They are looked at by name, size and time of change, and read when two looks
//! in a row found the same, so that one who writes them one after the other is not met halfway.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use model::{
    UnixMs,
    log::{LogRecord, Severity},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::config::{StartError, Tls};

/// Larger files are none of these.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Tells one state of both files from another without reading them; a file that is not there has none.
type State = [Option<(u64, u64, i64, i64)>; 2];

pub(crate) struct Certificate {
    files: Tls,
    acceptor: RwLock<TlsAcceptor>,
    looks: Mutex<Looks>,
}

struct Looks {
    /// Which state was read last.
    read: State,
    last: State,
}

impl Certificate {
    pub(crate) fn load(files: &Tls) -> Result<Self, StartError> {
        // Taken before reading: what changes meanwhile is read again.
        let state = state(files);
        let acceptor = RwLock::new(acceptor(files)?);
        let looks = Mutex::new(Looks { read: state, last: state });
        Ok(Self { files: files.clone(), acceptor, looks })
    }

    /// For the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks whether the files have changed, and returns what there is to be told.
    pub(crate) fn refresh(&self, now: UnixMs) -> Option<LogRecord> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state(&self.files);
        let is_steady = std::mem::replace(&mut looks.last, state) == state;
        if state == looks.read || !is_steady {
            return None;
        }
        looks.read = state;
        let path = self.files.certificate_file.display().to_string();
        let (severity, body, attributes) = match acceptor(&self.files) {
            Ok(acceptor) => {
                *self.acceptor.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
                (Severity::Info, "event.certificate_read", vec![("path".to_owned(), path)])
            }
            Err(error) => {
                let reason = ("reason".to_owned(), error.to_string());
                let attributes = vec![("path".to_owned(), path), reason];
                (Severity::Error, "event.certificate_refused", attributes)
            }
        };
        Some(LogRecord {
            time: now,
            source: "gateway".into(),
            severity,
            body: body.into(),
            attributes,
        })
    }
}

fn state(files: &Tls) -> State {
    [&files.certificate_file, &files.key_file].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    })
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, StartError> {
    let bad = |path: &Path, reason: String| StartError::Tls { path: path.to_owned(), reason };
    let read = |path: &Path| {
        let io = |error: std::io::Error| bad(path, error.to_string());
        let bytes = fs::metadata(path).map_err(io)?.len();
        if bytes > FILE_BYTES_MAX {
            return Err(bad(
                path,
                format!("it has {bytes} bytes, at most {FILE_BYTES_MAX} are read"),
            ));
        }
        fs::read(path).map_err(io)
    };
    let certificate_file = tls.certificate_file.as_path();
    let chain = CertificateDer::pem_slice_iter(&read(certificate_file)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(certificate_file, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(certificate_file, "there is no certificate in it".into()));
    }
    let key_file = tls.key_file.as_path();
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?)
        .map_err(|error| bad(key_file, error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(certificate_file, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| bad(key_file, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
