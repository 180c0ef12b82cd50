//! Xid: the error numbers of NVIDIA's driver, what to do about each, and how the kernel log writes them.
//!
//! The actions are facts of NVIDIA's Xid catalogue as of October 2025 (172 entries), kept as data. A
//! number that the table does not know has no action.

/// Codes and what NVIDIA says to do at once.
struct Action {
    /// Our class of it: what a rule asks for.
    class: &'static str,
    /// NVIDIA's own name of the bucket.
    name: &'static str,
    /// First and last code of each run.
    codes: &'static [(u32, u32)],
}

/// In the order of their weight.
#[rustfmt::skip]
static ACTIONS: &[Action] = &[
    Action { class: "reboot", name: "RESTART_BM", codes: &[(79, 79)] },
    Action { class: "reboot", name: "RESTART_VM", codes: &[(151, 151)] },
    Action { class: "reset_gpu", name: "RESET_GPU", codes: &[
        (46, 46), (62, 62), (64, 64), (95, 95), (109, 110), (119, 120), (136, 136), (140, 140),
        (143, 143), (155, 156), (158, 158),
    ] },
    Action { class: "workflow", name: "WORKFLOW_XID_45", codes: &[(45, 45)] },
    Action { class: "workflow", name: "WORKFLOW_XID_48", codes: &[(48, 48)] },
    Action { class: "workflow", name: "WORKFLOW_NVLINK_ERR", codes: &[(74, 74)] },
    Action { class: "workflow", name: "WORKFLOW_NVLINK5_ERR", codes: &[(144, 150)] },
    Action { class: "workflow", name: "CHECK_UVM", codes: &[(159, 159)] },
    Action { class: "mechanical", name: "CHECK_MECHANICALS", codes: &[(54, 54)] },
    Action { class: "restart_app", name: "RESTART_APP", codes: &[
        (8, 8), (11, 11), (13, 13), (25, 25), (31, 32), (39, 41), (60, 60), (68, 72), (75, 77),
        (80, 80), (82, 86), (88, 89), (94, 94), (96, 105), (126, 135), (139, 139),
    ] },
    Action { class: "update", name: "UPDATE_SWFW", codes: &[(78, 78)] },
    Action { class: "recovery", name: "XID_154", codes: &[(154, 154)] },
    Action { class: "note", name: "IGNORE", codes: &[
        (14, 14), (37, 38), (43, 44), (63, 63), (66, 67), (92, 93), (106, 108), (121, 121),
        (137, 137), (141, 141), (152, 153), (157, 157), (160, 161),
    ] },
    Action { class: "info", name: "", codes: &[(162, 172)] },
    Action { class: "support", name: "CONTACT_SUPPORT", codes: &[
        (1, 7), (9, 10), (12, 12), (15, 24), (26, 30), (33, 36), (42, 42), (47, 47), (49, 53),
        (55, 59), (61, 61), (65, 65), (73, 73), (81, 81), (87, 87), (90, 91), (111, 118),
        (122, 125), (138, 138), (142, 142),
    ] },
];

/// The class of a code, and NVIDIA's name of what to do; empty where there is none.
pub(super) fn action(code: u32) -> (&'static str, &'static str) {
    let has = |action: &&Action| action.codes.iter().any(|(a, z)| (*a..=*z).contains(&code));
    ACTIONS.iter().find(has).map_or(("unknown", ""), |action| (action.class, action.name))
}

/// What a line of the kernel log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Xid {
    /// As the driver writes it: domain, bus and device, without the function.
    pub(super) address: String,
    pub(super) code: u32,
    /// Of the process that the driver blames.
    pub(super) pid: Option<u32>,
    /// Of code 154: the recovery action that the driver asks for from now on.
    pub(super) recovery: Option<u32>,
}

/// Reads Xids from the messages of the kernel, one after the other.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// A device of which a message of several lines speaks, and how many lines may still follow.
    speaks_of: Option<(String, u8)>,
}

impl Messages {
    /// What a message says, without the fields that precede it.
    pub(super) fn read(&mut self, text: &str) -> Option<Xid> {
        let (_, text) = text.split_once("NVRM: ")?;
        if let Some(rest) = text.strip_prefix("Xid (") {
            return numbered(rest);
        }
        if let Some(rest) = text.strip_prefix("GPU ") {
            let (address, rest) = rest.split_once(": ")?;
            return lost(address).filter(|_| rest.starts_with("GPU has fallen off the bus"));
        }
        if let Some(address) = text.strip_prefix("The NVIDIA GPU ") {
            let address = address.split(' ').next().unwrap_or_default();
            self.speaks_of = Some((address.to_owned(), 4));
        }
        let (address, lines) = self.speaks_of.take()?;
        if text.contains("not responding to commands") {
            return lost(&address);
        }
        self.speaks_of = lines.checked_sub(1).map(|lines| (address, lines));
        None
    }
}

/// What follows `Xid (`: an address and a number.
fn numbered(text: &str) -> Option<Xid> {
    let (place, rest) = text.split_once(')')?;
    let address = place.strip_prefix("PCI:").unwrap_or(place);
    if !is_address(address) {
        return None;
    }
    let number = |part: &str| {
        let (number, _) = part.split_once(',')?;
        number.parse::<u32>().ok()
    };
    let code = rest.split(": ").skip(1).find_map(number)?;
    let recovery = after(rest, " to 0x").filter(|_| code == 154);
    Some(Xid {
        address: address.to_owned(),
        code,
        pid: after(rest, "pid=").and_then(|text| leading(text, 10)),
        recovery: recovery.and_then(|text| leading(text, 16)),
    })
}

fn lost(address: &str) -> Option<Xid> {
    let address = address.rsplit_once('.').map_or(address, |(address, _)| address);
    let xid = || Xid { address: address.to_owned(), code: 79, pid: None, recovery: None };
    is_address(address).then(xid)
}

fn is_address(text: &str) -> bool {
    text.len() <= 32
        && text.contains(':')
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// The number that a text begins with, possibly in quotes.
fn leading(text: &str, radix: u32) -> Option<u32> {
    let text = text.trim_start_matches('\'');
    let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
    u32::from_str_radix(text.get(..end)?, radix).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(String, u32, Option<u32>, Option<u32>)> {
        let xid = text.lines().fold((Messages::default(), None), |(mut messages, found), line| {
            let found = messages.read(line).or(found);
            (messages, found)
        });
        xid.1.map(|xid| (xid.address, xid.code, xid.pid, xid.recovery))
    }

    /// The first two and the last are lines that the reference quotes; the others are written after it.
    #[test]
    fn lines_of_the_driver() {
        let at = |address: &str, code| Some((address.to_owned(), code, None, None));
        for (text, expected) in [
            (
                "NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
                at("0000:05:00", 79),
            ),
            ("NVRM: Xid (0000:03:00): 14, Channel 00000001", at("0000:03:00", 14)),
            (
                "NVRM: Xid (PCI:0000:3b:00): 31, pid=4711, name=python3, Ch 00000008, intr 00000000. MMU Fault",
                Some(("0000:3b:00".into(), 31, Some(4711), None)),
            ),
            (
                "NVRM: Xid (PCI:0018:01:00): 145, RLW_REMAP Nonfatal XC0 i0 Link 05 (0x00000007 0x0)",
                at("0018:01:00", 145),
            ),
            (
                "NVRM: Xid (PCI:0000:9b:00): 154, GPU recovery action changed from 0x0 (None) to 0x4 (Drain and Reset)",
                Some(("0000:9b:00".into(), 154, None, Some(4))),
            ),
            ("NVRM: GPU 0000:5d:00.0: GPU has fallen off the bus.", at("0000:5d:00", 79)),
            (
                "NVRM: The NVIDIA GPU 0000:18:00.0\nNVRM: (PCI ID: 10de:2330) installed in this system has\n\
                 NVRM: fallen off the bus and is not responding to commands.",
                at("0000:18:00", 79),
            ),
            ("NVRM: is not responding to commands.", None),
            ("NVRM: Xid (PCI:0000:05:00): none", None),
            ("NVRM: loading NVIDIA UNIX x86_64 Kernel Module", None),
            ("NVRM: Xid (invalid): some error", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn each_code_has_one_action() {
        for code in 1..=172 {
            let has =
                |action: &&Action| action.codes.iter().any(|(a, z)| (*a..=*z).contains(&code));
            assert_eq!(ACTIONS.iter().filter(has).count(), 1, "{code}");
        }
        for (code, expected) in [
            (13, ("restart_app", "RESTART_APP")),
            (43, ("note", "IGNORE")),
            (48, ("workflow", "WORKFLOW_XID_48")),
            (79, ("reboot", "RESTART_BM")),
            (94, ("restart_app", "RESTART_APP")),
            (95, ("reset_gpu", "RESET_GPU")),
            (154, ("recovery", "XID_154")),
            (171, ("info", "")),
            (999, ("unknown", "")),
        ] {
            assert_eq!(action(code), expected, "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text: String) {
            let mut messages = Messages::default();
            for text in [text.clone(), format!("NVRM: Xid ({text}"), format!("NVRM: The NVIDIA GPU {text}")] {
                messages.read(&text);
            }
        }
    }
}
