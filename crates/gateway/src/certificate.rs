//! The certificate and key of a listener, read again when their files change.
//!
//! Connections that are open keep what they began with. What cannot be used changes nothing but is told, once
//! for each state of the files. They are looked at by name, size and time of change, and read when two looks
//! in a row found the same, so that one who writes them one after the other is not met halfway.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use model::{
    UnixMs,
    log::{LogRecord, Severity},
};
use rustix::fs::OFlags;
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

/// Looks at what was opened, not at its name, which may mean another file by then.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    // Opening a pipe would wait for its writer.
    let no_wait = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let opened = File::options().read(true).custom_flags(no_wait).open(path);
    let file = opened.map_err(|error| error.to_string())?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err("it is no file; name one that holds PEM".into());
    }
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "it has more than {FILE_BYTES_MAX} bytes, so it is no certificate or key"
        ));
    }
    Ok(bytes)
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor, StartError> {
    let bad = |path: &Path, reason: String| StartError::Tls { path: path.to_owned(), reason };
    let read = |path: &Path| read(path).map_err(|reason| bad(path, reason));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let check = |path: &Path, expected: Result<usize, &str>| match (read(path), expected) {
            (Ok(bytes), Ok(length)) => assert_eq!(bytes.len(), length),
            (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
            (read, _) => panic!("{}: {:?}", path.display(), read.map(|bytes| bytes.len())),
        };
        let file = folder.path().join("file");
        for bytes in [0, 10, FILE_BYTES_MAX] {
            fs::write(&file, vec![b'-'; bytes as usize]).unwrap();
            check(&file, Ok(bytes as usize));
        }
        fs::write(&file, vec![b'-'; FILE_BYTES_MAX as usize + 1]).unwrap();
        check(&file, Err("more than 4194304 bytes"));
        check(folder.path(), Err("it is no file"));
        check(Path::new("/dev/zero"), Err("it is no file"));
        check(&folder.path().join("none"), Err("No such file"));
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            let pipe = folder.path().join("pipe");
            mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            check(&pipe, Err("it is no file"));
        }
    }
}
