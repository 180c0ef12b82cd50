//! The DNS probe: one question for an IPv4 address over UDP, as RFC 1035 has it.
//!
//! It succeeds when the server answers `NOERROR`, with or without an address. A truncated answer counts,
//! since only its head is read.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use model::{Clock, catalogue as metric};
use tokio::net::UdpSocket;

use super::{Outcome, ProbeSetting, host_and_port, protocol, resolve};

pub(super) const PORT: u16 = 53;
/// Largest answer over UDP without extensions.
const ANSWER_BYTES_MAX: usize = 512;
const HEADER_BYTES: usize = 12;

pub(super) async fn ask(clock: &Clock, setting: &ProbeSetting) -> Outcome {
    let mut outcome = Outcome::default();
    let Some((host, port)) = host_and_port(&setting.target, Some(PORT)) else {
        return outcome.fail("the target is no DNS server");
    };
    // What nobody can foresee needs no more than to differ.
    let id = RandomState::new().build_hasher().finish() as u16;
    let Some(question) = question(id, &setting.query) else {
        return outcome.fail(format!("{}: no name that DNS can hold", setting.query));
    };
    let address = match resolve(clock, &host, port, &mut outcome).await {
        Ok(addresses) => addresses.first().copied(),
        Err(why) => return outcome.fail(why),
    };
    let Some(address) = address else { return outcome.fail("no address") };
    protocol(address.ip(), &mut outcome);
    let started = clock.monotonic();
    let exchange = async {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        // Datagrams of others are not delivered then.
        socket.connect(address).await?;
        socket.send(&question).await?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        loop {
            let count = socket.recv(&mut answer).await?;
            if let Some(head) = answer.get(..count).and_then(|answer| read(id, answer)) {
                return Ok::<Head, std::io::Error>(head);
            }
        }
    };
    let head = match exchange.await {
        Ok(head) => head,
        Err(error) => return outcome.fail(format!("{address}: {error}")),
    };
    let took = clock.monotonic().saturating_sub(started);
    outcome.put(&metric::PROBE_DNS_DURATION_SECONDS, Some("request"), took);
    outcome.values.push((&metric::PROBE_DNS_ANSWER_RRS, None, f64::from(head.answers)));
    match head.code {
        0 => outcome,
        3 => outcome.fail(format!("{}: there is no such name", setting.query)),
        code => outcome.fail(format!("{}: the server answered with code {code}", setting.query)),
    }
}

/// What is used of an answer.
#[derive(Debug, PartialEq)]
struct Head {
    code: u8,
    answers: u16,
}

/// Asks for the IPv4 address of `name`.
fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(HEADER_BYTES + name.len() + 6);
    message.extend_from_slice(&id.to_be_bytes());
    // Recursion is wanted; one question.
    message.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.trim_end_matches('.');
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend_from_slice(label.as_bytes());
    }
    if name.len() > 253 {
        return None;
    }
    // The root, type A, class IN.
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    Some(message)
}

/// The head of an answer to question `id`; none when it is something else.
fn read(id: u16, answer: &[u8]) -> Option<Head> {
    let head: &[u8; HEADER_BYTES] = answer.first_chunk()?;
    let is_answer = head[2] & 0x80 != 0 && u16::from_be_bytes([head[0], head[1]]) == id;
    let answers = u16::from_be_bytes([head[6], head[7]]);
    is_answer.then_some(Head { code: head[3] & 0x0f, answers })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            ProbeKind,
            tests::{probe, setting, value},
        },
        *,
    };

    /// A DNS server of the test that answers one question with `code`, after noise.
    async fn server(code: u8, answers: u8) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut question = [0; 512];
            let (count, peer) = socket.recv_from(&mut question).await.unwrap();
            socket.send_to(b"noise", peer).await.unwrap();
            let mut answer = question[..count].to_vec();
            socket.send_to(&answer, peer).await.unwrap();
            (answer[2], answer[3], answer[7]) = (0x81, 0x80 | code, answers);
            socket.send_to(&answer, peer).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn answers() {
        for (code, answers, success, reason) in
            [(0, 2, 1.0, ""), (3, 0, 0.0, "no such name"), (2, 0, 0.0, "code 2")]
        {
            let target = server(code, answers).await;
            let mut setting = setting(ProbeKind::Dns, &target);
            setting.query = "models.example".into();
            let (values, _, why) = probe(&setting).await;
            assert_eq!(value(&values, "probe_success"), Some(success), "{why}");
            assert_eq!(value(&values, "probe_dns_answer_rrs"), Some(f64::from(answers)));
            assert!(value(&values, "probe_dns_duration_seconds request").is_some());
            assert!(why.contains(reason), "{why}");
        }
    }

    #[tokio::test]
    async fn silence_ends_at_the_deadline() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut setting = setting(ProbeKind::Dns, &socket.local_addr().unwrap().to_string());
        setting.query = "models.example".into();
        setting.deadline = std::time::Duration::from_millis(50);
        let (values, _, why) = probe(&setting).await;
        assert_eq!(value(&values, "probe_success"), Some(0.0));
        assert!(why.contains("within 0.05 s"), "{why}");
    }

    #[test]
    fn questions() {
        let expected =
            b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02bc\x00\x00\x01\x00\x01";
        assert_eq!(question(7, "a.bc.").unwrap(), expected);
        for bad in ["", "a..b", &"x".repeat(64), &"abcdefg.".repeat(40)] {
            assert_eq!(question(7, bad), None, "{bad}");
        }
        assert_eq!(read(7, b"short"), None);
    }
}
