//! The IPv6 networks that this machine is in.
//!
//! Machines of one office or rack talk to each other from global IPv6 addresses, so that an address is global does
//! not say that somebody comes from the Internet. A network is taken to be a /64, also where an address was given alone
//! (DHCPv6), and larger where the address says so. Bias: whoever shares a /64 with us is not told as a stranger, which
//! at some providers of virtual machines is a neighbour.

use std::{
    fs::File,
    io::Read as _,
    net::{IpAddr, Ipv6Addr},
};

/// The kernel's list of our IPv6 addresses, of the network namespace that we are in.
const PATH: &str = "/proc/self/net/if_inet6";
/// Most that is read of it: about a thousand addresses.
const BYTES_MAX: u64 = 1 << 16;
/// Networks are at least as large as this prefix.
const PREFIX_MAX: u32 = 64;

/// The networks, as what their addresses begin with and how many bits of that count.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Networks(Vec<(u128, u128)>);

impl Networks {
    /// As they are now; none where the kernel has no IPv6.
    pub(super) fn read() -> Self {
        let mut text = String::new();
        let read = File::open(PATH).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        if read.is_ok() { Self::parse(&text) } else { Self::default() }
    }

    pub(super) fn parse(text: &str) -> Self {
        let network = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let address = u128::from_str_radix(words.next()?, 16).ok()?;
            let prefix = u32::from_str_radix(words.nth(1)?, 16).ok()?;
            // Of other addresses the first bits say whose they are.
            let is_global = Ipv6Addr::from(address).segments()[0] & 0xe000 == 0x2000;
            // The whole Internet is nobody's own network.
            let is_sound = (16..=128).contains(&prefix);
            let mask = u128::MAX << (128 - prefix.min(PREFIX_MAX)).min(127);
            (is_global && is_sound).then_some((address & mask, mask))
        };
        let mut networks: Vec<_> = text.lines().filter_map(network).collect();
        networks.sort_unstable();
        networks.dedup();
        Self(networks)
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        let IpAddr::V6(address) = address else { return false };
        let address = u128::from(address);
        self.0.iter().any(|(network, mask)| address & mask == *network)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written after the layout of the kernel's `net/ipv6/addrconf.c`.
    const TEXT: &str = "\
        24088207123456780000000000000005 02 40 00 80     eth0\n\
        24088207abcd00010000000000000009 03 80 00 80     eth1\n\
        20010db8000100000000000000000001 04 30 00 80     eth2\n\
        20010db9000000000000000000000001 05 00 00 80     tun0\n\
        fe80000000000000021122fffe334455 02 40 20 80     eth0\n\
        00000000000000000000000000000001 01 80 10 80       lo\n";

    #[test]
    fn neighbours_are_told_from_strangers() {
        let networks = Networks::parse(TEXT);
        for (address, expected) in [
            ("2408:8207:1234:5678::5", true),
            ("2408:8207:1234:5678:a:b:c:d", true),
            ("2408:8207:1234:5679::5", false),
            ("2408:8207:abcd:1::77", true),
            ("2408:8207:abcd:2::77", false),
            ("2001:db8:1:ffff::1", true),
            ("2001:db8:2::1", false),
            ("2001:db9::2", false),
            ("::2", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(networks.has(address.parse().unwrap()), expected, "{address}");
        }
        assert_eq!(Networks::parse(""), Networks::default());
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([0-9a-f]{0,40} ?[ -~]{0,12}\n?){0,8}") {
            let networks = Networks::parse(&text);
            prop_assert!(networks.0.iter().all(|(network, mask)| network & mask == *network));
        }
    }
}
