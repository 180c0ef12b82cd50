//! Which sockets listen, and whose they are.
//!
//! Sockets come from `sock_diag`, which has them in a table of their own, and where that cannot be asked
//! from `/proc/net/tcp` and `tcp6`, which walk the table of connections too. Their owners come from the
//! links in `/proc/PID/fd`, which the kernel shows to the same user and to root only. It sees the network
//! namespace it runs in.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use crate::net;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// State of a connection whose other end is gone.
const CLOSE_WAIT: &str = "08";

/// How much is read at a time: what the kernel makes in one go.
const PIECE_BYTES: usize = 4 << 10;

/// Reading ends after this many lines that are not about listening sockets. Linux prints those first, and
/// what comes behind them, tens of thousands of connections on a busy host, need not even be looked up; the
/// rest is for kernels that have another order.
const OTHERS_MAX: usize = 64;

/// Connections that are gone through for those that were left open; more are not looked at.
const CONNECTIONS_MAX: usize = 1 << 20;

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Where to connect to, on this machine.
    pub(crate) address: SocketAddr,
    pub(crate) inode: u64,
}

/// The sockets that listen now, by port, IPv4 before IPv6.
pub(crate) fn listeners(root: &Path) -> Vec<Listener> {
    // Below another root are other files than those of the kernel that would be asked.
    let asked = (root == Path::new("/")).then(net::listening).and_then(Result::ok);
    match asked {
        Some(sockets) => sockets
            .into_iter()
            .map(|(address, inode)| {
                let ip = reachable(address.ip());
                Listener { address: SocketAddr::new(ip, address.port()), inode }
            })
            .collect(),
        None => from_files(root),
    }
}

fn from_files(root: &Path) -> Vec<Listener> {
    let mut found = Vec::new();
    for name in ["tcp", "tcp6"] {
        let Ok(file) = File::open(root.join("proc/net").join(name)) else { continue };
        let mut others = 0;
        for line in BufReader::with_capacity(PIECE_BYTES, file).lines().map_while(Result::ok) {
            match parse(&line, LISTEN) {
                Some(listener) => found.push(listener),
                None => others += 1,
            }
            if others > OTHERS_MAX {
                break;
            }
        }
    }
    found.sort_by_key(|listener| listener.address.port());
    found
}

/// Leaves one socket of those that lead to the same place: on one port, at one address or of one process.
pub(crate) fn distinct(
    sockets: Vec<Listener>,
    owners: &HashMap<u64, Option<u32>>,
) -> Vec<Listener> {
    let mut kept: Vec<Listener> = Vec::new();
    for socket in sockets {
        let owner = |socket: &Listener| owners.get(&socket.inode).copied().flatten();
        let of_this_port =
            kept.iter().rev().take_while(|other| other.address.port() == socket.address.port());
        let is_new = of_this_port
            .into_iter()
            .all(|other| other.address != socket.address && owner(other) != owner(&socket));
        if is_new {
            kept.push(socket);
        }
    }
    kept
}

/// Those of the given addresses whose programs accepted a connection and did not close it when its
/// other end did. One that still waits to be accepted belongs to nobody and has no inode.
pub(crate) fn left_open(root: &Path, addresses: &[SocketAddr]) -> HashSet<SocketAddr> {
    let mut found = HashSet::new();
    for name in ["tcp", "tcp6"] {
        let Ok(file) = File::open(root.join("proc/net").join(name)) else { continue };
        let lines = BufReader::with_capacity(PIECE_BYTES, file).lines().map_while(Result::ok);
        let kept = lines.take(CONNECTIONS_MAX).filter_map(|line| parse(&line, CLOSE_WAIT));
        let kept = kept.filter(|socket| socket.inode != 0 && addresses.contains(&socket.address));
        found.extend(kept.map(|socket| socket.address));
    }
    found
}

/// The socket in a line, if it is in `state`.
fn parse(line: &str, state: &str) -> Option<Listener> {
    let mut words = line.split_ascii_whitespace();
    let local = words.nth(1)?;
    if words.nth(1)? != state {
        return None;
    }
    let inode = words.nth(5)?.parse().ok()?;
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address = reachable(parse_address(address)?);
    Some(Listener { address: SocketAddr::new(address, port), inode })
}

/// A socket on all addresses is reached over the loopback; one on :: takes IPv4 too.
fn reachable(address: IpAddr) -> IpAddr {
    if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address }
}

/// An address as the kernel prints it: 32-bit words in the byte order of the machine.
fn parse_address(hex: &str) -> Option<IpAddr> {
    if !hex.is_ascii() || (hex.len() != 8 && hex.len() != 32) {
        return None;
    }
    let mut bytes = Vec::with_capacity(16);
    for at in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => Some(IpAddr::from(four)),
        Err(_) => {
            let sixteen = Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?);
            Some(sixteen.to_ipv4_mapped().map_or(IpAddr::V6(sixteen), IpAddr::V4))
        }
    }
}

/// The processes that hold the given sockets. Of several, the one with the smallest number: the parent.
pub(crate) fn owners(root: &Path, inodes: &[u64]) -> HashMap<u64, u32> {
    let wanted: HashMap<String, u64> =
        inodes.iter().map(|inode| (format!("socket:[{inode}]"), *inode)).collect();
    let mut owners: HashMap<u64, u32> = HashMap::new();
    let Ok(processes) = fs::read_dir(root.join("proc")) else { return owners };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|target| wanted.get(target));
            if let Some(inode) = inode {
                let owner = owners.entry(*inode).or_insert(pid);
                *owner = pid.min(*owner);
            }
        }
    }
    owners
}

/// Who listens on `port`, as `name (pid N)`, where that can be seen.
pub fn holder_of(root: &Path, port: u16) -> Option<String> {
    let listener = listeners(root).into_iter().find(|l| l.address.port() == port)?;
    let pid = *owners(root, &[listener.inode]).get(&listener.inode)?;
    let name = fs::read_to_string(root.join(format!("proc/{pid}/comm"))).ok()?;
    Some(format!("{} (pid {pid})", name.trim()))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let check = |line: &str, expected: Option<(&str, u64)>| {
            let expected = expected
                .map(|(address, inode)| Listener { address: address.parse().unwrap(), inode });
            assert_eq!(parse(line, LISTEN), expected, "{line}");
        };
        let tail =
            "00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100";
        check(
            &format!("   0: 0100007F:1F90 00000000:0000 0A {tail}"),
            Some(("127.0.0.1:8080", 4711)),
        );
        check(
            &format!("   0: 00000000:1F90 00000000:0000 0A {tail}"),
            Some(("127.0.0.1:8080", 4711)),
        );
        check(&format!("   0: 0100007F:1F90 0100007F:0001 01 {tail}"), None);
        let mapped = "0000000000000000FFFF00000100007F:0050";
        check(&format!("   0: {mapped} 00000000:0000 0A {tail}"), Some(("127.0.0.1:80", 4711)));
        let loopback = "00000000000000000000000001000000:0050";
        check(&format!("   0: {loopback} 00000000:0000 0A {tail}"), Some(("[::1]:80", 4711)));
        check("", None);
        check("  sl  local_address rem_address   st tx_queue rx_queue", None);
    }

    /// Waits for a condition of the kernel.
    fn wait(condition: impl Fn() -> bool) -> bool {
        (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            condition()
        })
    }

    #[test]
    fn who_keeps_what_was_closed() {
        let root = Path::new("/");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_left = || left_open(root, &[address]).contains(&address);
        drop(TcpStream::connect(address).unwrap());
        let closed =
            |line: &str| parse(line, CLOSE_WAIT).is_some_and(|socket| socket.address == address);
        let is_closed = || fs::read_to_string("/proc/net/tcp").unwrap().lines().any(closed);
        assert!(wait(is_closed));
        assert!(!is_left(), "nobody accepted it");
        let accepted = listener.accept().unwrap();
        assert!(wait(is_left));
        drop(accepted);
        assert!(wait(|| !is_left()));
    }

    #[test]
    fn one_socket_for_each_place() {
        let socket = |address: &str, inode| Listener { address: address.parse().unwrap(), inode };
        let sockets = vec![
            socket("127.0.0.1:80", 1),
            socket("127.0.0.1:80", 2),
            socket("[::1]:80", 3),
            socket("10.0.0.1:80", 4),
            socket("127.0.0.1:81", 5),
            socket("[::1]:81", 6),
        ];
        // 1, 2: two that share a port; 3: the same process; 4: another; 5, 6: unknown ones.
        let owners = HashMap::from([
            (1, Some(7)),
            (2, Some(8)),
            (3, Some(7)),
            (4, Some(9)),
            (5, None),
            (6, None),
        ]);
        let kept: Vec<u64> = distinct(sockets, &owners).iter().map(|kept| kept.inode).collect();
        assert_eq!(kept, [1, 4, 5]);
    }

    #[test]
    fn the_kernel_and_its_files_say_the_same() {
        let sockets = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"];
        let sockets: Vec<_> = sockets.iter().flat_map(TcpListener::bind).collect();
        let ports: Vec<u16> = sockets.iter().map(|it| it.local_addr().unwrap().port()).collect();
        let of = |found: Vec<Listener>| {
            let own = found.into_iter().filter(|it| ports.contains(&it.address.port()));
            own.collect::<Vec<_>>()
        };
        let asked = net::listening().unwrap();
        assert!(asked.iter().filter(|(it, _)| ports.contains(&it.port())).count() >= ports.len());
        let root = Path::new("/");
        let found = of(listeners(root));
        assert_eq!(found, of(from_files(root)));
        assert!(found.len() >= ports.len() && ports.len() >= 2, "{found:?}");
    }

    #[test]
    fn an_own_socket_is_found() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = holder_of(Path::new("/"), port).unwrap();
        assert!(found.ends_with(&format!("(pid {})", std::process::id())), "{found}");
    }
}
