//! What the NFS client of the kernel asked its servers, from `/proc/net/rpc/nfs`: models often lie on such
//! a server, and retransmissions say that it or the way to it is too slow.
//!
//! Counts are of all mounts together, and of versions 3 and 4. Procedures of version 4 beyond those that
//! have a name here are left out.

use model::{
    Labels,
    catalogue::{
        NODE_NFS_CONNECTIONS_TOTAL, NODE_NFS_PACKETS_TOTAL, NODE_NFS_REQUESTS_TOTAL,
        NODE_NFS_RPC_AUTHENTICATION_REFRESHES_TOTAL, NODE_NFS_RPC_RETRANSMISSIONS_TOTAL,
        NODE_NFS_RPCS_TOTAL,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// Procedures in the order of the file, under node_exporter's names.
const VERSION_3: &[&str] = &[
    "Null",
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];
/// The first ones; kernels add new ones at the end.
const VERSION_4: &[&str] = &[
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
];

struct Nfs {
    file: Kept,
    /// After `net`: packets over UDP and TCP, and connections; the first number is their sum.
    net: [Labels; 3],
    rpc: [Labels; 3],
    version_3: Vec<Labels>,
    version_4: Vec<Labels>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/net/rpc/nfs")?;
    let packets = |word| context.series(&NODE_NFS_PACKETS_TOTAL, &[("protocol", word)]);
    let procedures = |version: &str, names: &[&str]| -> Vec<Labels> {
        let series = |name: &&str| {
            context.series(&NODE_NFS_REQUESTS_TOTAL, &[("proto", version), ("method", *name)])
        };
        names.iter().map(series).collect()
    };
    let rpc = [
        &NODE_NFS_RPCS_TOTAL,
        &NODE_NFS_RPC_RETRANSMISSIONS_TOTAL,
        &NODE_NFS_RPC_AUTHENTICATION_REFRESHES_TOTAL,
    ];
    let connections = context.series(&NODE_NFS_CONNECTIONS_TOTAL, &[]);
    Ok(Box::new(Nfs {
        file,
        net: [packets("udp"), packets("tcp"), connections],
        rpc: rpc.map(|metric| context.series(metric, &[])),
        version_3: procedures("3", VERSION_3),
        version_4: procedures("4", VERSION_4),
    }))
}

impl Sampler for Nfs {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, net, rpc, version_3, version_4 } = self;
        for line in lines(file.read()?) {
            let mut words = words(line);
            let (series, skipped): (&[Labels], usize) = match words.next() {
                Some(b"net") => (net, 1),
                Some(b"rpc") => (rpc, 0),
                // How many numbers follow comes first.
                Some(b"proc3") => (version_3, 1),
                Some(b"proc4") => (version_4, 1),
                _ => continue,
            };
            for (labels, word) in series.iter().zip(words.skip(skipped)) {
                if let Some(count) = number(word) {
                    batch.push(labels, count as f64);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let text = "net 18628 2 18626 6\n\
                    rpc 4329785 17 4338291\n\
                    proc2 18 2 69 0\n\
                    proc3 22 1 4084749 x 94754\n\
                    proc4 61 1 5966 7\n";
        let request = |proto: &str, method: &str, value: u32| {
            format!(r#"node_nfs_requests_total{{method="{method}", proto="{proto}"}} {value}"#)
        };
        let requests = [
            request("3", "Null", 1),
            request("3", "GetAttr", 4_084_749),
            request("3", "Lookup", 94_754),
            request("4", "Null", 1),
            request("4", "Read", 5_966),
            request("4", "Write", 7),
        ];
        let mut expected = vec![
            r#"node_nfs_packets_total{protocol="udp"} 2"#,
            r#"node_nfs_packets_total{protocol="tcp"} 18626"#,
            "node_nfs_connections_total 6",
            "node_nfs_rpcs_total 4329785",
            "node_nfs_rpc_retransmissions_total 17",
            "node_nfs_rpc_authentication_refreshes_total 4338291",
        ];
        expected.extend(requests.iter().map(String::as_str));
        check(open, &[("proc/net/rpc/nfs", text)], &expected);
    }
}
