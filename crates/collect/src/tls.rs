//! TLS towards engines: which certificates are trusted, and the one that this program shows.
//!
//! Trusted is what the system's bundle or a named file holds. Revocation is not checked. That a certificate
//! is not looked at has to be asked for: then whoever is in between can read the key that is sent.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    },
};

use crate::collector::lock;

/// Where systems keep the certificates that they trust.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Largest file of certificates or with a key that is read.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// How long what was read from files is good: certificates are renewed.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// What a person says of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSetting {
    /// File in PEM with the certificates to trust; empty for those of the system.
    pub ca_file: String,
    /// Files in PEM with the certificate to show and its key; empty for none.
    pub cert_file: String,
    pub key_file: String,
    /// Whether any certificate will do.
    pub insecure_skip_verify: bool,
}

/// Shakes hands as a setting says, and remembers sessions, so that most handshakes are short.
#[derive(Debug)]
pub(crate) struct Client {
    setting: TlsSetting,
    made: Mutex<Option<(Instant, Arc<ClientConfig>)>>,
}

impl Client {
    pub(crate) fn new(setting: TlsSetting) -> Self {
        Self { setting, made: Mutex::new(None) }
    }

    /// Shakes hands with `host`, which the certificate has to be for.
    pub(crate) async fn shake(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let text = |error: &dyn std::fmt::Display| format!("{host}: {error}");
        let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(name, stream).await.map_err(|error| {
            // The next try sees files that were put right meanwhile.
            *lock(&self.made) = None;
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
            let help = match inner {
                Some(Error::InvalidCertificate(_)) => {
                    "; name the certificates to trust with ca_file, or do without with \
                     insecure_skip_verify"
                }
                Some(Error::AlertReceived(_)) => self.advice(),
                _ => "",
            };
            format!("{host}: {error}{help}")
        })
    }

    /// What may help when who was asked broke off. With TLS 1.3 it does so after the handshake.
    pub(crate) fn advice(&self) -> &'static str {
        if self.setting.cert_file.is_empty() {
            "; it may want to see a certificate: name one with cert_file and key_file"
        } else {
            ""
        }
    }

    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let mut made = lock(&self.made);
        let now = Instant::now();
        if let Some((_, config)) = made.as_ref().filter(|(at, _)| now - *at < GOOD_FOR) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make()?);
        *made = Some((now, Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self) -> Result<ClientConfig, String> {
        let setting = &self.setting;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if setting.insecure_skip_verify {
            let anyone: Arc<dyn ServerCertVerifier> = Arc::new(Anyone(provider));
            builder.dangerous().with_custom_certificate_verifier(anyone)
        } else {
            builder.with_root_certificates(roots(&setting.ca_file)?)
        };
        let mut config = if setting.cert_file.is_empty() {
            builder.with_no_client_auth()
        } else {
            let (chain, key) = identity(&setting.cert_file, &setting.key_file)?;
            let bad = |error: Error| format!("{}: {error}", setting.cert_file);
            builder.with_client_auth_cert(chain, key).map_err(bad)?
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The certificate to show, with those that signed it, and its key.
fn identity(
    cert_file: &str,
    key_file: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = CertificateDer::pem_slice_iter(&read(cert_file)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{cert_file}: {error}"))?;
    if chain.is_empty() {
        return Err(format!("{cert_file}: no certificate in PEM is in it"));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?).map_err(|error| {
        format!("{key_file}: no key in PEM that is not encrypted is in it: {error}")
    })?;
    Ok((chain, key))
}

/// What is trusted: the given file, else the system's.
pub(crate) fn roots(ca_file: &str) -> Result<RootCertStore, String> {
    let bundle = match ca_file {
        "" => BUNDLES.iter().copied().find(|path| Path::new(path).exists()),
        file => Some(file),
    };
    let Some(path) = bundle else {
        return Err(
            "this system has no bundle of trusted certificates; name one with ca_file".into()
        );
    };
    let bytes = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&bytes).filter_map(Result::ok);
    let mut store = RootCertStore::empty();
    // Bundles hold old certificates that cannot be read; the others count.
    store.add_parsable_certificates(certificates);
    Ok(store)
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let text = |error: &io::Error| format!("{path}: {error}");
    if fs::metadata(path).map_err(|error| text(&error))?.len() > FILE_BYTES_MAX {
        return Err(format!("{path}: more than {FILE_BYTES_MAX} bytes"));
    }
    fs::read(path).map_err(|error| text(&error))
}

/// Trusts any certificate whose owner has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, server::WebPkiClientVerifier},
    };

    use super::*;
    use crate::{
        engine::KINDS,
        http::{Endpoint, get},
    };

    /// Made with openssl for the tests of probes: for `localhost` and 127.0.0.1, signed by itself.
    const CERTIFICATE: &[u8] = include_bytes!("probe/fixtures/cert.der");
    const KEY: &[u8] = include_bytes!("probe/fixtures/key.der");

    /// Answers every request with a list of models of MindIE, to who shows the certificate of the tests if
    /// that is wanted.
    async fn server(wants_certificate: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let certificate = CertificateDer::from(CERTIFICATE);
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_certificate {
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(KEY).unwrap();
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                if !stream.read(&mut [0; 4_096]).await.is_ok_and(|count| count > 0) {
                    continue;
                }
                let body = r#"{"data":[{"id":"m","owned_by":"MindIE Server"}]}"#;
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        });
        authority
    }

    /// A file in PEM.
    fn pem(kind: &str, der: &[u8]) -> tempfile::NamedTempFile {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = format!("-----BEGIN {kind}-----\n");
        for three in der.chunks(3) {
            let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= three.len() { char::from(digit) } else { '=' });
            }
        }
        text.push_str(&format!("\n-----END {kind}-----\n"));
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    fn path(file: &tempfile::NamedTempFile) -> String {
        file.path().to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn who_is_trusted_and_who_is_shown() {
        let certificate = pem("CERTIFICATE", CERTIFICATE);
        let key = pem("PRIVATE KEY", KEY);
        let nobody = pem("CERTIFICATE", b"");
        let (certificate, key, nobody) = (path(&certificate), path(&key), path(&nobody));
        let trusting = || TlsSetting { ca_file: certificate.clone(), ..TlsSetting::default() };
        let showing = |setting: TlsSetting| TlsSetting {
            cert_file: certificate.clone(),
            key_file: key.clone(),
            ..setting
        };
        let careless = || TlsSetting { insecure_skip_verify: true, ..TlsSetting::default() };
        let missing = || TlsSetting { ca_file: "/missing".into(), ..TlsSetting::default() };
        let strange = TlsSetting { ca_file: nobody.clone(), ..TlsSetting::default() };
        let swapped = TlsSetting { key_file: certificate.clone(), ..showing(trusting()) };
        for (wants_certificate, setting, expected) in [
            (false, trusting(), ""),
            (false, careless(), ""),
            (false, strange, "ca_file"),
            (false, missing(), "/missing"),
            (false, swapped, "no key in PEM"),
            (true, showing(trusting()), ""),
            (true, showing(careless()), ""),
        ] {
            let authority = server(wants_certificate).await;
            let url = format!("https://{authority}");
            let endpoint = Endpoint::parse(&url, None, &setting).unwrap();
            for _ in 0..2 {
                let why = match get(&endpoint, "/v1/models").await {
                    Ok(answer) => {
                        assert!(answer.body.starts_with(b"{\"data\""));
                        String::new()
                    }
                    Err(failure) => failure.detail,
                };
                assert_eq!(why.is_empty(), expected.is_empty(), "{why}");
                assert!(why.contains(expected), "{why}");
            }
        }
        let endpoint = format!("https://{}", server(true).await);
        let endpoint = Endpoint::parse(&endpoint, None, &trusting()).unwrap();
        let why = get(&endpoint, "/v1/models").await.unwrap_err().detail;
        assert!(why.contains("name one with cert_file"), "{why}");
    }

    #[tokio::test]
    async fn an_engine_behind_tls_is_recognised_and_read() {
        let url = format!("https://{}", server(false).await);
        let setting = TlsSetting { insecure_skip_verify: true, ..TlsSetting::default() };
        let endpoint = Endpoint::parse(&url, None, &setting).unwrap();
        let kind = crate::engine::recognise(&endpoint, "").await.unwrap().unwrap();
        assert_eq!(kind.name, "mindie");
        let kind = KINDS.iter().find(|kind| kind.name == "mindie").unwrap();
        let mut kept = crate::engine::Kept::default();
        let reading = kind.scrape(&endpoint, &mut kept, Duration::ZERO).await.unwrap();
        assert_eq!(reading.models, ["m"]);
    }
}
