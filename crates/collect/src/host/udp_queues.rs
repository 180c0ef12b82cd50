//! Bytes that wait in the queues of UDP sockets, from `/proc/net/udp` and `udp6`.

use model::{Labels, catalogue::NODE_UDP_QUEUES, sample::Batch};

use super::{
    Context, Sampler,
    numbers::hexadecimal,
    read::{Kept, lines, words},
};
use crate::Failure;

/// Column with both queues: `00000000:00000000`.
const QUEUES: usize = 4;

struct UdpQueues {
    /// Each with its series of the transmit and of the receive queue.
    files: Vec<(Kept, Labels, Labels)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let open = |path: &str, ip: &str| -> Result<_, Failure> {
        let series = |queue| context.series(&NODE_UDP_QUEUES, &[("queue", queue), ("ip", ip)]);
        Ok((Kept::open(&context.root, path)?, series("tx"), series("rx")))
    };
    let mut files = vec![open("/proc/net/udp", "v4")?];
    // Absent where IPv6 is switched off.
    files.extend(open("/proc/net/udp6", "v6"));
    Ok(Box::new(UdpQueues { files }))
}

impl Sampler for UdpQueues {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (file, transmit, receive) in &mut self.files {
            let (mut sent, mut received) = (0_u64, 0_u64);
            for line in lines(file.read()?).skip(1) {
                let Some(word) = words(line).nth(QUEUES) else { continue };
                let mut parts = word.split(|byte| *byte == b':').map(hexadecimal);
                if let (Some(Some(out)), Some(Some(inward))) = (parts.next(), parts.next()) {
                    sent = sent.saturating_add(out);
                    received = received.saturating_add(inward);
                }
            }
            batch.push(transmit, sent as f64);
            batch.push(receive, received as f64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives},
        *,
    };

    #[test]
    fn readings() {
        let text = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
                      8: 0100007F:0035 00000000:0000 07 00000010:00000002 00:00000000\n\
                      9: 0100007F:0036 00000000:0000 07 00000000:000000FF 00:00000000\nshort\n";
        let files = [("proc/net/udp", text), ("proc/net/udp6", "  sl  local_address\n")];
        let expected = [
            r#"node_udp_queues{ip="v4", queue="tx"} 16"#,
            r#"node_udp_queues{ip="v4", queue="rx"} 257"#,
            r#"node_udp_queues{ip="v6", queue="tx"} 0"#,
            r#"node_udp_queues{ip="v6", queue="rx"} 0"#,
        ];
        check(open, &files, &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/net/udp", &bytes);
        }
    }
}
