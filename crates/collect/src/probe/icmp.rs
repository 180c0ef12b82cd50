//! The ICMP probe: one echo request over the kernel's ping socket, which needs no privilege where
//! `net.ipv4.ping_group_range` includes our group. Elsewhere the probe is absent and says so.

use std::net::{IpAddr, SocketAddr};

use model::{Clock, catalogue as metric};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use tokio::net::UdpSocket;

use super::{Outcome, ProbeSetting, protocol, resolve};
use crate::{Failure, FailureKind};

/// Type of an echo request and of its reply, in ICMP and in ICMPv6.
const ECHO_4: (u8, u8) = (8, 0);
const ECHO_6: (u8, u8) = (128, 129);
const SEQUENCE: [u8; 2] = [0, 1];
const CONTENT: &[u8] = b"modelwatch probe";

pub(super) async fn ask(clock: &Clock, setting: &ProbeSetting) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    let started = clock.monotonic();
    let host = setting.target.trim_matches(['[', ']']);
    let address = match resolve(clock, host, 0, &mut outcome).await {
        Ok(addresses) => addresses.first().map(SocketAddr::ip),
        Err(why) => return Ok(outcome.fail(why)),
    };
    let Some(address) = address else { return Ok(outcome.fail("no address")) };
    let resolved = clock.monotonic();
    let socket = ping_socket(address)?;
    protocol(address, &mut outcome);
    let ready = clock.monotonic();
    if let Err(error) = exchange(&socket, address).await {
        return Ok(outcome.fail(format!("{address}: {error}")));
    }
    let replied = clock.monotonic();
    for (phase, from, to) in
        [("resolve", started, resolved), ("setup", resolved, ready), ("rtt", ready, replied)]
    {
        let took = to.saturating_sub(from);
        outcome.put(&metric::PROBE_ICMP_DURATION_SECONDS, Some(phase), took);
    }
    Ok(outcome)
}

fn ping_socket(address: IpAddr) -> Result<UdpSocket, Failure> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(protocol)).map_err(|error| {
        let detail = format!(
            "ping socket: {error}; allow it with `sysctl net.ipv4.ping_group_range=\"0 2147483647\"`"
        );
        let is_refused = matches!(error, rustix::io::Errno::ACCESS | rustix::io::Errno::PERM);
        let kind = if is_refused { FailureKind::PermissionDenied } else { FailureKind::Io };
        Failure::new(kind, detail)
    })?;
    // A ping socket is used as one of UDP is: datagrams to and from one address.
    UdpSocket::from_std(socket.into()).map_err(|error| Failure::from_io("ping socket", &error))
}

async fn exchange(socket: &UdpSocket, address: IpAddr) -> std::io::Result<()> {
    socket.connect(SocketAddr::new(address, 0)).await?;
    let (request, reply) = if address.is_ipv4() { ECHO_4 } else { ECHO_6 };
    socket.send(&message(request)).await?;
    let mut answer = [0; 512];
    loop {
        let count = socket.recv(&mut answer).await?;
        if answer.get(..count).is_some_and(|answer| is_reply(answer, reply)) {
            return Ok(());
        }
    }
}

/// The kernel fills in the checksum and the identifier.
fn message(kind: u8) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0];
    message.extend_from_slice(&SEQUENCE);
    message.extend_from_slice(CONTENT);
    message
}

fn is_reply(answer: &[u8], kind: u8) -> bool {
    answer.first() == Some(&kind)
        && answer.get(6..8) == Some(&SEQUENCE)
        && answer.ends_with(CONTENT)
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
    use crate::SourceState;

    /// The kernel decides whether this machine may ping; both ways must be told properly.
    #[tokio::test]
    async fn this_machine_answers_or_says_why_not() {
        let (values, state, why) = probe(&setting(ProbeKind::Icmp, "127.0.0.1")).await;
        match state {
            SourceState::Ok => {
                assert_eq!(value(&values, "probe_success"), Some(1.0), "{why}");
                assert!(value(&values, "probe_icmp_duration_seconds rtt").unwrap() < 5.0);
            }
            _ => assert_eq!((values, state), (vec![], SourceState::Failing), "absent, not zero"),
        }
    }

    #[test]
    fn messages() {
        let mut reply = message(ECHO_4.0);
        assert!(!is_reply(&reply, ECHO_4.1), "our own question");
        reply[0] = ECHO_4.1;
        assert!(is_reply(&reply, ECHO_4.1));
        reply[7] = 9;
        assert!(!is_reply(&reply, ECHO_4.1), "of another time");
        assert!(!is_reply(&[], 0));
    }
}
