//! TLS for probes: a handshake, whether the certificate would be trusted, and when the first of the chain
//! expires.
//!
//! The handshake goes on when the certificate is not trusted, so that its expiry is told all the same;
//! the probe fails then, and nothing is sent over such a connection. Trusted is what the system's bundle
//! or the file of the probe holds. Revocation is not checked.

use std::sync::{Arc, Mutex};

use model::{Clock, catalogue as metric, days_from_civil};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::{
            WebPkiServerVerifier,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use super::{Outcome, ProbeSetting, connect, host_and_port};
use crate::{collector::lock, tls::roots};

pub(super) const PORT: u16 = 443;
pub(super) async fn ask(clock: &Clock, setting: &ProbeSetting) -> Outcome {
    let mut outcome = Outcome::default();
    let Some((host, port)) = host_and_port(&setting.target, Some(PORT)) else {
        return outcome.fail("the target is no host and port");
    };
    let stream = match connect(clock, &host, port, &mut outcome).await {
        Ok((stream, ..)) => stream,
        Err(why) => return outcome.fail(why),
    };
    match shake(&host, stream, &setting.ca_file, &mut outcome).await {
        Ok(_) => outcome,
        Err(why) => outcome.fail(why),
    }
}

/// Shakes hands; an error when that fails or the certificate is not trusted.
pub(super) async fn shake(
    host: &str,
    stream: TcpStream,
    ca_file: &str,
    outcome: &mut Outcome,
) -> Result<TlsStream<TcpStream>, String> {
    let text = |error: &dyn std::fmt::Display| format!("{host}: {error}");
    let provider = Arc::new(ring::default_provider());
    // Read each time, because bundles are renewed.
    let roots = Arc::new(roots(ca_file)?);
    let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| text(&error))?;
    let verifier =
        Arc::new(Recorder { inner, provider: Arc::clone(&provider), problem: Mutex::new(None) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| text(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned()).map_err(|error| text(&error))?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| text(&error))?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let expiries = chain.iter().filter_map(|certificate| expiry(certificate));
    if let Some(first) = expiries.min() {
        outcome.values.push((&metric::PROBE_SSL_EARLIEST_CERT_EXPIRY, None, first as f64));
    }
    match lock(&verifier.problem).take() {
        Some(problem) => Err(format!("{host}: {problem}")),
        None => Ok(stream),
    }
}

/// Verifies as usual, but keeps what is wrong for later.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    problem: Mutex<Option<String>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if let Err(error) = verified {
            *lock(&self.problem) = Some(error.to_string());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Unix time at which a certificate expires: the second time of `validity` in RFC 5280.
fn expiry(certificate: &[u8]) -> Option<i64> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if element(fields)?.0 == VERSION {
        fields = element(fields)?.2;
    }
    // Serial number, signature, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (tag, validity, _) = element(fields)?;
    let (_, _, rest) = element(validity)?;
    let (kind, time, _) = element(rest)?;
    (tag == SEQUENCE).then(|| unix_time(kind, time)).flatten()
}

/// The first element of DER: its tag, its content, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (long, rest) = rest.split_at_checked(usize::from(short - 0x80))?;
            (long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or, of the other kind, with four digits for the year.
fn unix_time(kind: u8, text: &[u8]) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let digits = text.strip_suffix(b"Z")?;
    let number = |from: usize, to: usize| {
        let digits = std::str::from_utf8(digits.get(from..to)?).ok()?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let (year, at) = match kind {
        UTC_TIME => {
            (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2)
        }
        GENERALIZED_TIME => (number(0, 4)?, 4),
        _ => return None,
    };
    let part = |index: usize| number(at + index * 2, at + index * 2 + 2);
    let (month, day) = (part(0)?, part(1)?);
    let days = days_from_civil(year, month, day);
    Some(days * 86_400 + part(2)? * 3_600 + part(3)? * 60 + part(4)?)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, pki_types::PrivateKeyDer},
    };

    use super::{
        super::{
            ProbeKind,
            tests::{probe, setting, value},
        },
        *,
    };

    /// Made with openssl for these tests: for `localhost` and 127.0.0.1, signed by itself, expires in 2126.
    const CERTIFICATE: &[u8] = include_bytes!("fixtures/cert.der");
    const KEY: &[u8] = include_bytes!("fixtures/key.der");
    const EXPIRY: i64 = 4_949_431_195;

    /// A file that makes the certificate of the tests trusted.
    pub(in super::super) fn ca_file() -> tempfile::NamedTempFile {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
        for three in CERTIFICATE.chunks(3) {
            let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
                text.push(if place <= three.len() { char::from(digit) } else { '=' });
            }
        }
        text.push_str("\n-----END CERTIFICATE-----\n");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// A server of the test that shakes hands and answers one request.
    pub(in super::super) async fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let key = PrivateKeyDer::try_from(KEY).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
            .unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
                return;
            };
            if stream.read(&mut [0; 4_096]).await.is_ok_and(|count| count > 0) {
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn expiry_is_told_whether_or_not_it_is_trusted() {
        let file = ca_file();
        for (ca_file, success) in [(file.path().to_str().unwrap(), 1.0), ("", 0.0)] {
            let mut setting = setting(ProbeKind::Tls, &server("").await);
            setting.ca_file = ca_file.into();
            let (values, _, why) = probe(&setting).await;
            assert_eq!(value(&values, "probe_success"), Some(success), "{why}");
            let told = value(&values, "probe_ssl_earliest_cert_expiry");
            // A system without a bundle cannot get so far.
            assert!(told == Some(EXPIRY as f64) || why.contains("ca_file"), "{told:?} {why}");
        }
    }

    #[tokio::test]
    async fn what_is_no_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        });
        let file = ca_file();
        let mut setting = setting(ProbeKind::Tls, &address);
        setting.ca_file = file.path().to_str().unwrap().into();
        let (values, _, why) = probe(&setting).await;
        assert_eq!(value(&values, "probe_success"), Some(0.0));
        assert_eq!(value(&values, "probe_ssl_earliest_cert_expiry"), None, "{why}");
    }

    #[test]
    fn times() {
        assert_eq!(expiry(CERTIFICATE), Some(EXPIRY));
        assert_eq!(unix_time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(unix_time(0x17, b"240229123456Z"), Some(1_709_210_096));
        assert_eq!(unix_time(0x18, b"20500301000000Z"), Some(2_529_705_600));
        for (kind, bad) in
            [(0x17, "240229123456"), (0x17, "2402Z"), (4, "240229123456Z"), (0x17, "+40229123456Z")]
        {
            assert_eq!(unix_time(kind, bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_certificate_is_survived(bytes: Vec<u8>, at in 0_usize..412, byte: u8) {
            expiry(&bytes);
            let mut damaged = CERTIFICATE.to_vec();
            damaged[at] = byte;
            expiry(&damaged);
            expiry(&damaged[..at]);
        }
    }
}
