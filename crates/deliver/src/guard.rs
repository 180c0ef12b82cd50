//! Which addresses may be connected to: a channel's URL must not become a way into the network behind us.
//!
//! A name is resolved once, its addresses are judged, and the connection goes to one of those, so that a name that
//! answers differently the second time changes nothing. Redirects are followed nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Failure;

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Public,
    /// This machine and networks of organisations: only for channels that say so.
    Private,
    /// Leads to nobody, to everybody, or to a cloud's service of credentials: never.
    Never,
}

/// The addresses of `host` that may be connected to, never none.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    allow_private: bool,
) -> Result<Vec<SocketAddr>, Failure> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| Failure::passing(format!("{host}: {error}")))?;
    allowed(host, found, allow_private)
}

fn allowed(
    host: &str,
    found: impl Iterator<Item = SocketAddr>,
    allow_private: bool,
) -> Result<Vec<SocketAddr>, Failure> {
    let mut refused = None;
    let mut addresses = Vec::new();
    for address in found {
        match range(address.ip()) {
            Range::Public => addresses.push(address),
            Range::Private if allow_private => addresses.push(address),
            range => refused = Some((address.ip(), range)),
        }
    }
    match (addresses.is_empty(), refused) {
        (false, _) => Ok(addresses),
        (true, None) => Err(Failure::passing(format!("{host}: the name has no address"))),
        (true, Some((ip, Range::Never))) => Err(Failure::passing(format!(
            "the address of {host}, {ip}, is one that notifications are never sent to"
        ))),
        (true, Some((ip, _))) => Err(Failure::passing(format!(
            "the address of {host}, {ip}, is private; set allow_private_addresses = true for this channel if that is meant"
        ))),
    }
}

fn range(ip: IpAddr) -> Range {
    match ip {
        IpAddr::V4(ip) => range_v4(ip),
        IpAddr::V6(ip) => range_v6(ip),
    }
}

fn range_v4(ip: Ipv4Addr) -> Range {
    let [a, b, c, _] = ip.octets();
    let is_never = ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || ip == Ipv4Addr::new(100, 100, 100, 200) // Alibaba Cloud's metadata
        || ip == Ipv4Addr::new(168, 63, 129, 16); // Azure's
    let is_private = ip.is_loopback()
        || ip.is_private()
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b));
    match (is_never, is_private) {
        (true, _) => Range::Never,
        (_, true) => Range::Private,
        _ => Range::Public,
    }
}

fn range_v6(ip: Ipv6Addr) -> Range {
    let [a, b, c, ..] = ip.segments();
    let [.., high, low] = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        range_v4(Ipv4Addr::new(a, b, c, d))
    };
    if let Some(ip) = ip.to_ipv4_mapped() {
        return range_v4(ip);
    }
    match (a, b) {
        _ if ip.is_loopback() => Range::Private,
        // EC2's metadata, and Google Cloud's, which lie within the private addresses.
        (0xfd00, 0x0ec2) | (0xfd20, 0x00ce) => Range::Never,
        (0xfc00..=0xfdff, _) => Range::Private,
        // Translations of IPv4, whose inner address counts.
        (0x0064, 0xff9b) => inner(high, low),
        (0x2002, _) => inner(b, c),
        // Teredo, documentation, and all that is no global unicast: link-local, multicast, unspecified.
        (0x2001, 0x0000 | 0x0db8) => Range::Never,
        (0x2000..=0x3fff, _) => Range::Public,
        _ => Range::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let check = |expected: Range, addresses: &[&str]| {
            for text in addresses {
                assert_eq!(range(text.parse().unwrap()), expected, "{text}");
            }
        };
        check(
            Range::Public,
            &[
                "1.1.1.1",
                "100.128.0.1",
                "172.32.0.1",
                "192.169.0.1",
                "2606:4700::1111",
                "::ffff:8.8.8.8",
                "64:ff9b::808:808",
                "2002:808:808::1",
            ],
        );
        check(
            Range::Private,
            &[
                "127.0.0.1",
                "127.9.9.9",
                "10.0.0.1",
                "172.16.0.1",
                "192.168.1.1",
                "100.64.0.1",
                "198.18.0.1",
                "::1",
                "fd12::1",
                "fc00::1",
                "::ffff:10.0.0.1",
                "64:ff9b::a00:1",
                "2002:7f00:1::",
            ],
        );
        check(
            Range::Never,
            &[
                "169.254.169.254",
                "0.0.0.0",
                "0.1.2.3",
                "224.0.0.1",
                "255.255.255.255",
                "240.0.0.1",
                "192.0.0.192",
                "192.0.2.1",
                "100.100.100.200",
                "fe80::1",
                "ff02::1",
                "::",
                "::1.2.3.4",
                "2001:db8::1",
                "2001:0:1::",
                "168.63.129.16",
                "fd00:ec2::254",
                "fd20:ce::254",
                "::ffff:169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "fec0::1",
            ],
        );
    }

    #[test]
    fn only_allowed_addresses_are_left() {
        let check = |found: &[&str], allow_private, expected: Result<&[&str], &str>| {
            let parse = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let allowed = allowed("h", parse(found).into_iter(), allow_private);
            match expected {
                Ok(expected) => assert_eq!(allowed.unwrap(), parse(expected)),
                Err(part) => {
                    let failure = allowed.unwrap_err();
                    assert!(failure.is_passing && failure.reason.contains(part), "{failure:?}");
                }
            }
        };
        check(&["10.0.0.1:1", "1.1.1.1:1"], false, Ok(&["1.1.1.1:1"]));
        check(&["10.0.0.1:1", "169.254.169.254:1"], true, Ok(&["10.0.0.1:1"]));
        check(&["10.0.0.1:1"], false, Err("allow_private_addresses = true"));
        check(&["169.254.169.254:1"], true, Err("never sent to"));
        check(&[], true, Err("has no address"));
    }
}
