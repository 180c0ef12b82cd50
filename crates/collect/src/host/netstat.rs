//! Counters of the IP stack, from `/proc/net/netstat`, `snmp` and `snmp6`: the fields that node_exporter
//! passes on by default, and `Tcp_MaxConn`, which the public dashboard asks for.

use model::{Labels, catalogue::NODE_NETSTAT, sample::Batch};

use super::{
    Context, Sampler,
    read::{Kept, float, lines, words},
};
use crate::Failure;

/// Columns of one line beyond this many are left out.
const COLUMNS_MAX: usize = 1_024;

/// Protocols and fields that are passed on whole.
static FIELDS: &[(&str, &[&str])] = &[
    ("Icmp", &["InMsgs", "OutMsgs"]),
    ("Icmp6", &["InMsgs", "OutMsgs"]),
    ("Ip", &["Forwarding"]),
    ("Ip6", &["InOctets", "OutOctets"]),
    ("IpExt", &["InOctets", "OutOctets"]),
    (
        "Tcp",
        &[
            "ActiveOpens",
            "CurrEstab",
            "InSegs",
            "MaxConn",
            "OutRsts",
            "OutSegs",
            "PassiveOpens",
            "RetransSegs",
        ],
    ),
    ("TcpExt", &["TCPOFOQueue", "TCPRcvQDrop", "TCPSynRetrans", "TCPTimeouts"]),
    ("Udp", &["InDatagrams", "NoPorts", "OutDatagrams", "RcvbufErrors", "SndbufErrors"]),
    ("Udp6", &["InDatagrams", "NoPorts", "OutDatagrams", "RcvbufErrors", "SndbufErrors"]),
];

/// Protocols of `snmp6`, whose lines have both in one word. The longer of two that fit counts.
const PROTOCOLS_6: [&str; 4] = ["Icmp6", "Ip6", "UdpLite6", "Udp6"];

struct NetStat {
    context: Context,
    /// `netstat` and `snmp`, which have a line of names before each line of values.
    paired: Vec<(Kept, Vec<Header>)>,
    snmp6: Option<(Kept, Vec<Line6>)>,
}

/// A line of names as it was last, and the series of its columns.
struct Header {
    text: Box<[u8]>,
    columns: Vec<Option<Labels>>,
}

/// A first word of `snmp6` as it was last in this place.
struct Line6 {
    word: Box<[u8]>,
    labels: Option<Labels>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let netstat = Kept::open(&context.root, "/proc/net/netstat")?;
    let snmp = Kept::open(&context.root, "/proc/net/snmp")?;
    // Absent where IPv6 is switched off.
    let snmp6 = Kept::open(&context.root, "/proc/net/snmp6").ok();
    Ok(Box::new(NetStat {
        context: context.clone(),
        paired: vec![(netstat, Vec::new()), (snmp, Vec::new())],
        snmp6: snmp6.map(|file| (file, Vec::new())),
    }))
}

fn series(context: &Context, protocol: &str, field: &str) -> Option<Labels> {
    let fields = FIELDS.iter().find(|(name, _)| *name == protocol).map(|(_, fields)| *fields);
    let is_wanted = matches!(field, "InErrors" | "InErrs")
        || fields.is_some_and(|fields| fields.contains(&field))
        || protocol == "TcpExt" && (field.starts_with("Listen") || field.starts_with("Syncookies"));
    is_wanted.then(|| context.named(&NODE_NETSTAT.member(&format!("{protocol}_{field}")), &[]))
}

impl Header {
    fn new(context: &Context, line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let (protocol, fields) = text.split_once(':').unwrap_or_default();
        let fields = fields.split_ascii_whitespace().take(COLUMNS_MAX);
        let mut columns: Vec<_> = fields.map(|field| series(context, protocol, field)).collect();
        // Values behind the last wanted one need not be looked at.
        let wanted = columns.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        columns.truncate(wanted);
        Self { text: line.into(), columns }
    }
}

impl Line6 {
    fn new(context: &Context, word: &[u8]) -> Self {
        let text = String::from_utf8_lossy(word);
        let parted = PROTOCOLS_6.iter().find_map(|name| Some((*name, text.strip_prefix(name)?)));
        let labels = parted.and_then(|(protocol, field)| series(context, protocol, field));
        Self { word: word.into(), labels }
    }
}

impl Sampler for NetStat {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { context, paired, snmp6 } = self;
        for (file, headers) in paired {
            let mut lines = lines(file.read()?);
            let mut at = 0;
            while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
                if headers.len() == at {
                    headers.push(Header::new(context, names));
                }
                let Some(header) = headers.get_mut(at) else { break };
                if *header.text != *names {
                    *header = Header::new(context, names);
                }
                let values = words(values).skip(1);
                for (labels, value) in header.columns.iter().zip(values) {
                    if let (Some(labels), Some(value)) = (labels, float(value)) {
                        batch.push(labels, value);
                    }
                }
                at += 1;
            }
        }
        if let Some((file, known)) = snmp6 {
            for (at, line) in lines(file.read()?).take(COLUMNS_MAX).enumerate() {
                let mut words = words(line);
                let Some(word) = words.next() else { continue };
                if known.len() <= at {
                    known.push(Line6::new(context, word));
                }
                let Some(entry) = known.get_mut(at) else { break };
                if *entry.word != *word {
                    *entry = Line6::new(context, word);
                }
                if let (Some(labels), Some(value)) = (&entry.labels, words.next().and_then(float)) {
                    batch.push(labels, value);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives_among},
        *,
    };

    const NETSTAT: &str = "TcpExt: SyncookiesSent Other ListenDrops TCPTimeouts Last\n\
                           TcpExt: 1 2 3 4 5\nIpExt: InNoRoutes InOctets\nIpExt: 7 9896170915\n";
    const SNMP: &str = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: MaxConn ActiveOpens InErrs\n\
                        Tcp: -1 12 x\nUdpLite: InDatagrams InErrors\nUdpLite: 3 4\n";

    #[test]
    fn readings() {
        let snmp6 = "Ip6InReceives   5\nIp6InOctets 128\nIcmp6InMsgs\t1\nIcmp6InErrors\t2\n\
                     Udp6InDatagrams 6\nUdpLite6InErrors 8\nUdp6\n";
        let files =
            [("proc/net/netstat", NETSTAT), ("proc/net/snmp", SNMP), ("proc/net/snmp6", snmp6)];
        let expected = [
            "node_netstat_TcpExt_SyncookiesSent 1",
            "node_netstat_TcpExt_ListenDrops 3",
            "node_netstat_TcpExt_TCPTimeouts 4",
            "node_netstat_IpExt_InOctets 9896170915",
            "node_netstat_Ip_Forwarding 2",
            "node_netstat_Tcp_MaxConn -1",
            "node_netstat_Tcp_ActiveOpens 12",
            "node_netstat_UdpLite_InErrors 4",
            "node_netstat_Ip6_InOctets 128",
            "node_netstat_Icmp6_InMsgs 1",
            "node_netstat_Icmp6_InErrors 2",
            "node_netstat_Udp6_InDatagrams 6",
            "node_netstat_UdpLite6_InErrors 8",
        ];
        check(open, &files, &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>, snmp6: Vec<u8>) {
            let files = [
                ("proc/net/netstat", bytes.as_slice()),
                ("proc/net/snmp", SNMP.as_bytes()),
                ("proc/net/snmp6", snmp6.as_slice()),
            ];
            survives_among(open, &files);
        }
    }
}
