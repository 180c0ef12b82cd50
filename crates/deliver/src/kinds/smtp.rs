//! Mail: plain text and HTML, a chart within, a report attached. `smtps://` speaks TLS from the start, `smtp://` insists
//! on STARTTLS, `smtp-plain://` sends in clear and therefore never a password.

use std::{net::SocketAddr, time::Duration};

use hyper::Uri;
use lettre::{
    Message,
    address::Envelope,
    message::{
        Attachment, Body, Mailbox, MultiPart, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, MailParameter},
    },
};
use tokio::time::timeout;

use super::{Job, Service, Way, hex, sha256};
use crate::{
    Failure, Need, Rate, Settings, client,
    codec::Item,
    content::{Limit, Marks, PLAIN},
    failure::chain,
    guard, tls,
};

/// What of a text goes into a mail.
const TEXT: Limit = Limit::Bytes(100_000);
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 200;
/// How long a server may take over a mail that it was given. Source: RFC 5321, 4.5.3.2.6.
const CONTENT_PATIENCE: Duration = Duration::from_secs(600);

const HTML: Marks = Marks {
    escape,
    bold: ("<b>", "</b>"),
    between: "<br>\n",
    link: |text, url| format!("<br><a href=\"{url}\">{text}</a>"),
};

pub(super) const SERVICE: Service = Service {
    base: "",
    rate: Rate::per_minute(60),
    needs: &[Need::Url, Need::From, Need::To],
    has_files: true,
    has_pictures: true,
    way: Way::Mail,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Tls,
    StartTls,
    Plain,
}

#[derive(Debug, PartialEq, Eq)]
struct Server {
    security: Security,
    host: String,
    port: u16,
}

fn server(url: &str) -> Result<Server, Failure> {
    let wrong = || Failure::lasting("url must be smtps://host, smtp://host or smtp-plain://host");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let (security, port) = match uri.scheme_str() {
        Some("smtps") => (Security::Tls, 465),
        Some("smtp") => (Security::StartTls, 587),
        Some("smtp-plain") => (Security::Plain, 25),
        _ => return Err(wrong()),
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if host.is_empty() {
        return Err(wrong());
    }
    Ok(Server { security, host, port: uri.port_u16().unwrap_or(port) })
}

/// Sends one mail to all who are named, in one conversation. A mailbox that the server refuses takes it from nobody
/// else: `Some` says which were refused.
pub(crate) async fn send(job: &Job<'_>) -> Result<Option<String>, Failure> {
    let limit = job.settings.timeout;
    let message = message(job)?;
    let beginning = timeout(limit, begin(job, message.envelope())).await;
    let (mut connection, refused) = beginning.unwrap_or_else(|_| {
        Err(Failure::passing(format!("the mail server did not answer within {limit:?}")))
    })?;
    // A server that looks through a mail before it takes it must not get it again meanwhile.
    let limit = limit.max(CONTENT_PATIENCE);
    let sent = timeout(limit, connection.message(&message.formatted())).await;
    let sent = sent.map_err(|_| {
        Failure::passing(format!("the mail server did not take the mail within {limit:?}"))
    })?;
    sent.map_err(|error| meant(&error))?;
    // It is taken: how the conversation ends changes nothing.
    drop(timeout(Duration::from_secs(2), connection.quit()).await);
    Ok((!refused.is_empty()).then(|| refused.join("; ")))
}

/// Connects and names sender and recipients, up to where the mail itself follows.
async fn begin(
    job: &Job<'_>,
    envelope: &Envelope,
) -> Result<(AsyncSmtpConnection, Vec<String>), Failure> {
    let settings = job.settings;
    let server = server(&job.access.url)?;
    let has_password = !job.access.secret.is_empty();
    if has_password && server.security == Security::Plain {
        return Err(Failure::lasting("a password is not sent in clear: use smtp:// or smtps://"));
    }
    let addresses =
        guard::resolve(&server.host, server.port, settings.allow_private_addresses).await?;
    let mut connection = open(&server, &addresses, settings).await?;
    if has_password {
        let credentials = Credentials::new(settings.username.clone(), job.access.secret.clone());
        let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
        login.map_err(|error| meant(&error))?;
    }
    let mut options = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if !addresses.all(|address| address.to_string().is_ascii()) {
        options.push(MailParameter::SmtpUtfEight);
    }
    let mail = Mail::new(envelope.from().cloned(), options);
    connection.command(mail).await.map_err(|error| meant(&error))?;
    let mut refused: Vec<(Failure, String)> = Vec::new();
    for to in envelope.to() {
        if let Err(error) = connection.command(Rcpt::new(to.clone(), Vec::new())).await {
            let failure = meant(&error);
            let line = format!("{to}: {failure}");
            refused.push((failure, line));
        }
    }
    let lines: Vec<String> = refused.iter().map(|(_, line)| line.clone()).collect();
    if refused.len() == envelope.to().len() {
        // Whoever is greylisted is taken later.
        let is_passing = refused.iter().any(|(failure, _)| failure.is_passing);
        let reason = lines.join("; ");
        return Err(if is_passing { Failure::passing(reason) } else { Failure::lasting(reason) });
    }
    connection.command(Data).await.map_err(|error| meant(&error))?;
    Ok((connection, lines))
}

async fn open(
    server: &Server,
    addresses: &[SocketAddr],
    settings: &Settings,
) -> Result<AsyncSmtpConnection, Failure> {
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let hello = ClientId::Domain(if node.is_empty() { "localhost".to_owned() } else { node });
    let trust = match server.security {
        Security::Plain => None,
        _ => Some(trust(server, settings)?),
    };
    let at_once = trust.clone().filter(|_| server.security == Security::Tls);
    let limit = Some(client::each(settings.timeout, addresses.len()));
    let mut last = Failure::passing("no address");
    for address in addresses {
        let opened =
            AsyncSmtpConnection::connect_tokio1(*address, limit, &hello, at_once.clone(), None)
                .await;
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => {
                last = Failure { is_passing: true, ..meant(&error) };
                continue;
            }
        };
        if let (Security::StartTls, Some(trust)) = (server.security, trust) {
            if !connection.can_starttls() {
                return Err(Failure::lasting(
                    "the mail server offers no STARTTLS; smtp-plain:// sends in clear if that is meant",
                ));
            }
            let upgraded = connection.starttls(trust, &hello).await;
            upgraded.map_err(|error| Failure { is_passing: true, ..meant(&error) })?;
        }
        return Ok(connection);
    }
    Err(last)
}

fn trust(server: &Server, settings: &Settings) -> Result<TlsParameters, Failure> {
    let mut builder =
        TlsParameters::builder(server.host.clone()).certificate_store(CertificateStore::None);
    for certificate in tls::roots(settings.ca_file.as_deref())? {
        let certificate = Certificate::from_der(certificate.to_vec());
        builder = builder.add_root_certificate(certificate.map_err(|error| meant(&error))?);
    }
    builder.build().map_err(|error| meant(&error))
}

/// What the server refuses with 5xx lasts; everything else may pass.
fn meant(error: &lettre::transport::smtp::Error) -> Failure {
    let reason = chain(error);
    if error.is_permanent() { Failure::lasting(reason) } else { Failure::passing(reason) }
}

fn message(job: &Job<'_>) -> Result<Message, Failure> {
    let (settings, told) = (job.settings, job.told);
    let mailbox = |text: &str| {
        let mailbox: Result<Mailbox, _> = text.parse();
        mailbox.map_err(|error| Failure::lasting(format!("{text}: {error}")))
    };
    let from = mailbox(&settings.from)?;
    // Mail that comes twice is known by this.
    let id = hex(sha256(format!("{}\n{}", settings.name, job.key).as_bytes()).as_ref());
    let domain = from.email.domain().to_owned();
    let mut builder = Message::builder()
        .from(from)
        .subject(told.title(TITLE_CHARS_MAX))
        .message_id(Some(format!("<{id}@{domain}>")));
    for to in &settings.to {
        builder = builder.to(mailbox(to)?);
    }
    if job.notification().is_some() {
        let thread = format!("<{}@{domain}>", job.group());
        builder = builder.references(thread.clone()).in_reply_to(thread);
    }
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    builder = builder.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
    let plain = SinglePart::plain(told.text(&PLAIN, TEXT));
    let html = SinglePart::html(page(job));
    let html = match job.picture {
        Some(png) => {
            let inline = Attachment::new_inline("chart".to_owned());
            let picture = inline.body(attached(png), media_type("image/png")?);
            MultiPart::related().singlepart(html).singlepart(picture)
        }
        None => MultiPart::related().singlepart(html),
    };
    let text = MultiPart::alternative().singlepart(plain).multipart(html);
    let built = match (job.item, job.file) {
        (Item::File { file_name, media_type: kind, .. }, Some(bytes)) => {
            let file = Attachment::new(file_name.clone()).body(attached(bytes), media_type(kind)?);
            builder.multipart(MultiPart::mixed().multipart(text).singlepart(file))
        }
        _ => builder.multipart(text),
    };
    built.map_err(|error| Failure::lasting(format!("the mail cannot be made: {error}")))
}

fn attached(bytes: &[u8]) -> Body {
    // Base64 takes any bytes, so that the other arm is never reached.
    Body::new_with_encoding(bytes.to_vec(), ContentTransferEncoding::Base64)
        .unwrap_or_else(Body::new)
}

fn media_type(text: &str) -> Result<ContentType, Failure> {
    ContentType::parse(text).map_err(|error| Failure::lasting(format!("{text}: {error}")))
}

fn page(job: &Job<'_>) -> String {
    let told = job.told;
    let color = match (told.is_firing, told.severity.as_str()) {
        (false, _) => "#1a7f37",
        (true, "critical") => "#c62828",
        (true, "warning") => "#b26a00",
        (true, _) => "#1565c0",
    };
    let picture = if job.picture.is_some() {
        "<p><img src=\"cid:chart\" alt=\"\" style=\"max-width:100%\"></p>\n"
    } else {
        ""
    };
    let title = escape(&told.title(TITLE_CHARS_MAX));
    let text = told.text(&HTML, TEXT);
    format!(
        "<!doctype html>\n<html><head><meta charset=\"utf-8\"></head>\n\
         <body style=\"font-family:sans-serif;line-height:1.5\">\n\
         <h2 style=\"color:{color};border-left:6px solid {color};padding-left:10px\">{title}</h2>\n\
         <p>{text}</p>\n{picture}</body></html>\n"
    )
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, message::Language};

    use super::*;
    use crate::{Kind, codec::tests::notification, content, kinds::Access};

    fn mail(
        language: Language,
        picture: Option<&[u8]>,
        change: &dyn Fn(&mut Settings),
    ) -> Result<String, Failure> {
        let mut settings = Settings {
            from: "modelwatch <mw@a.example>".into(),
            to: vec!["ops@a.example".into(), "王 <wang@a.example>".into()],
            language,
            ..Settings::new("mail", Kind::Smtp)
        };
        change(&mut settings);
        let mut one = notification();
        one.alerts[0].alert.annotations[4].1 = "<b>hot</b>".to_owned();
        let told = content::of_notification(&one, language, &|_| 0);
        let item = Item::Notification(Box::new(one));
        let access = Access::default();
        let job = Job {
            settings: &settings,
            access: &access,
            item: &item,
            told: &told,
            picture,
            file: None,
            key: "k",
            now: UnixMs(0),
        };
        Ok(String::from_utf8(message(&job)?.formatted()).unwrap())
    }

    #[test]
    fn servers() {
        let check = |url: &str, expected: Option<(Security, &str, u16)>| {
            let found = server(url).ok();
            let expected = expected.map(|(security, host, port)| Server {
                security,
                host: host.to_owned(),
                port,
            });
            assert_eq!(found, expected, "{url}");
        };
        check("smtps://m.example", Some((Security::Tls, "m.example", 465)));
        check("smtp://m.example", Some((Security::StartTls, "m.example", 587)));
        check("smtp-plain://[::1]:2525", Some((Security::Plain, "::1", 2525)));
        check("http://m", None);
        check("smtp:///", None);
    }

    #[test]
    fn mails_have_text_html_and_pictures() {
        let text = mail(Language::English, Some(b"PNG"), &|_| {}).unwrap();
        for part in [
            "Subject: [Critical] AcceleratorHot (4 alerts)\r\n",
            "multipart/alternative",
            "multipart/related",
            "Content-ID: <chart>",
            "Auto-Submitted: auto-generated",
            "&lt;b&gt;hot&lt;/b&gt;",
        ] {
            assert!(text.contains(part), "{part} not in {text}");
        }
        assert_eq!(text.matches("Message-ID").count(), 1);
        let chinese = mail(Language::Chinese, None, &|_| {}).unwrap();
        assert!(chinese.is_ascii(), "8BITMIME is not everywhere");
        assert!(!chinese.contains("cid:chart"));
    }

    #[test]
    fn wrong_addresses_are_told() {
        let failure =
            mail(Language::English, None, &|settings| settings.from = "x".into()).unwrap_err();
        assert!(!failure.is_passing && failure.reason.starts_with("x: "), "{failure}");
        assert!(
            mail(Language::English, None, &|settings| settings.to = vec!["a@".into()]).is_err()
        );
    }
}
