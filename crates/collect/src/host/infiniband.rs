//! InfiniBand and RoCE ports, from `/sys/class/infiniband`. A driver may ask its firmware for each
//! counter, so this source is not on the thread of the cheap ones.
//!
//! Counters of data are in units of four bytes. Files that a driver does not have are left out.

use std::path::Path;

use model::catalogue::{
    NODE_INFINIBAND, NODE_INFINIBAND_INFO, NODE_INFINIBAND_PHYSICAL_STATE_ID,
    NODE_INFINIBAND_RATE_BYTES_PER_SECOND, NODE_INFINIBAND_STATE_ID,
};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, entries, file_name, numbered},
    read::lone_text,
};
use crate::Failure;

/// Files below `counters` and how node_exporter calls them.
static COUNTERS: &[(&str, &str)] = &[
    ("VL15_dropped", "vl15_dropped"),
    ("excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors"),
    ("link_downed", "link_downed"),
    ("link_error_recovery", "link_error_recovery"),
    ("local_link_integrity_errors", "local_link_integrity_errors"),
    ("multicast_rcv_packets", "multicast_packets_received"),
    ("multicast_xmit_packets", "multicast_packets_transmitted"),
    ("port_rcv_constraint_errors", "port_constraint_errors_received"),
    ("port_rcv_discards", "port_discards_received"),
    ("port_rcv_errors", "port_errors_received"),
    ("port_rcv_packets", "port_packets_received"),
    ("port_rcv_remote_physical_errors", "port_receive_remote_physical_errors"),
    ("port_rcv_switch_relay_errors", "port_receive_switch_relay_errors"),
    ("port_xmit_constraint_errors", "port_constraint_errors_transmitted"),
    ("port_xmit_discards", "port_discards_transmitted"),
    ("port_xmit_packets", "port_packets_transmitted"),
    ("port_xmit_wait", "port_transmit_wait"),
    ("symbol_error", "symbol_error"),
    ("unicast_rcv_packets", "unicast_packets_received"),
    ("unicast_xmit_packets", "unicast_packets_transmitted"),
];

/// Files below `counters` in units of four bytes.
static DATA: &[(&str, &str)] = &[
    ("port_rcv_data", "port_data_received_bytes"),
    ("port_xmit_data", "port_data_transmitted_bytes"),
];

/// Files below `hw_counters`: congestion, retransmission and errors of RDMA.
static HARDWARE: &[(&str, &str)] = &[
    ("duplicate_request", "duplicate_requests_packets"),
    ("implied_nak_seq_err", "implied_nak_seq_errors"),
    ("local_ack_timeout_err", "local_ack_timeout_errors"),
    ("np_cnp_sent", "np_cnp_packets_sent"),
    ("np_ecn_marked_roce_packets", "np_ecn_marked_roce_packets_received"),
    ("out_of_buffer", "out_of_buffer_drops"),
    ("out_of_sequence", "out_of_sequence_packets_received"),
    ("packet_seq_err", "packet_sequence_errors"),
    ("req_cqe_error", "req_cqes_errors"),
    ("req_cqe_flush_error", "req_cqes_flush_errors"),
    ("req_remote_access_errors", "req_remote_access_errors"),
    ("req_remote_invalid_request", "req_remote_invalid_request_errors"),
    ("resp_cqe_error", "resp_cqes_errors"),
    ("resp_cqe_flush_error", "resp_cqes_flush_errors"),
    ("resp_local_length_error", "resp_local_length_errors"),
    ("resp_remote_access_errors", "resp_remote_access_errors"),
    ("rnr_nak_retry_err", "rnr_nak_retry_packets_received"),
    ("roce_adp_retrans", "roce_adp_retransmits"),
    ("roce_adp_retrans_to", "roce_adp_retransmits_timeout"),
    ("roce_slow_restart", "roce_slow_restart_used"),
    ("roce_slow_restart_cnps", "roce_slow_restart_cnps"),
    ("roce_slow_restart_trans", "roce_slow_restart"),
    ("rp_cnp_handled", "rp_cnp_packets_handled"),
    ("rp_cnp_ignored", "rp_cnp_ignored_packets_received"),
    ("rx_atomic_requests", "rx_atomic_requests"),
    ("rx_dct_connect", "rx_dct_connect_requests"),
    ("rx_icrc_encapsulated", "rx_icrc_encapsulated_errors"),
    ("rx_read_requests", "rx_read_requests"),
    ("rx_write_requests", "rx_write_requests"),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no device in /sys/class/infiniband")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for folder in entries(&context.root.join("sys/class/infiniband"), "") {
        let device = file_name(&folder);
        let text = |file: &str| lone_text(&folder.join(file)).unwrap_or_default();
        let labels = [
            ("device", &device),
            ("board_id", &text("board_id")),
            ("firmware_version", &text("fw_ver")),
            ("hca_type", &text("hca_type")),
        ];
        let labels = labels.map(|(name, value)| (name, value.as_str()));
        numbers.fact(context.series(&NODE_INFINIBAND_INFO, &labels));
        for (port, folder) in numbered(&folder.join("ports"), "") {
            add_port(context, numbers, &[("device", &device), ("port", &port)], &folder);
        }
    }
}

fn add_port(context: &Context, numbers: &mut Numbers, labels: &[(&str, &str)], folder: &Path) {
    for (subfolder, files, unit) in [
        ("counters", COUNTERS, Unit::ONE),
        ("counters", DATA, Unit::times(4.0)),
        ("hw_counters", HARDWARE, Unit::ONE),
    ] {
        for (file, name) in files {
            let labels = context.named(&NODE_INFINIBAND.member(name), labels);
            numbers.add(folder.join(subfolder).join(file), labels, unit);
        }
    }
    for (file, metric, unit) in [
        ("phys_state", NODE_INFINIBAND_PHYSICAL_STATE_ID, Unit::ONE),
        // Gigabits per second.
        ("rate", NODE_INFINIBAND_RATE_BYTES_PER_SECOND, Unit::times(1e9 / 8.0)),
        ("state", NODE_INFINIBAND_STATE_ID, Unit::ONE),
    ] {
        numbers.add(folder.join(file), context.series(&metric, labels), unit);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let port = |file: &str| format!("sys/class/infiniband/mlx5_0/ports/1/{file}");
        let paths = [
            port("counters/port_rcv_data"),
            port("counters/symbol_error"),
            port("counters/port_xmit_wait"),
            port("hw_counters/np_cnp_sent"),
            port("state"),
            port("phys_state"),
            port("rate"),
        ];
        let texts = [
            "1000\n",
            "2\n",
            "N/A (no PMA)\n",
            "3\n",
            "4: ACTIVE\n",
            "5: LinkUp\n",
            "100 Gb/sec (4X EDR)\n",
        ];
        let mut files: Vec<_> = paths.iter().map(String::as_str).zip(texts).collect();
        files.push(("sys/class/infiniband/mlx5_0/fw_ver", "16.35.1\n"));
        let labels = r#"{device="mlx5_0", port="1"}"#;
        let lines = [
            ("port_data_received_bytes_total", "4000"),
            ("symbol_error_total", "2"),
            ("np_cnp_packets_sent_total", "3"),
            ("state_id", "4"),
            ("physical_state_id", "5"),
            ("rate_bytes_per_second", "12500000000"),
        ]
        .map(|(name, value)| format!("node_infiniband_{name}{labels} {value}"));
        let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
        expected.push(r#"node_infiniband_info{device="mlx5_0", firmware_version="16.35.1"} 1"#);
        check(open, &files, &expected);
    }
}
