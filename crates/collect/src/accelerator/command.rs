//! Devices that only a program of their vendor can tell of: it is run every ten seconds or less often,
//! and rules say what of its output is which reading.
//!
//! A last resort: starting a program costs thousands of times what reading a file costs, and layouts
//! change with versions. The program is run as [`super::child`] says, as the user that modelwatch runs
//! as, and nothing is run that the configuration does not name.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use model::{Clock, catalogue::ACCELERATOR_INFO, sample::Batch};

use super::{
    Context,
    child::Runner,
    report::{Device, Group, Reporter, pci_bus_id},
    rules::{Rules, Told},
};
use crate::{Failure, FailureKind, collector::lock, schedule::Sampler};

/// How often a program may be run.
pub const PERIOD_MIN: Duration = Duration::from_secs(10);

/// A program that tells of accelerators.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The label `vendor`.
    pub vendor: &'static str,
    pub period: Duration,
    /// When it is ended if it is not over by itself.
    pub timeout: Duration,
    pub rules: Rules,
}

impl Command {
    /// How often it is run.
    pub(super) fn period(&self) -> Duration {
        self.period.max(PERIOD_MIN)
    }
}

/// What runs a program, which outlives failures so that a hanging one is not started twice.
pub(super) type Shared = Arc<Mutex<Runner>>;

/// A sampler for one program.
pub(super) fn open(context: &Context, command: &Command, runner: &Shared) -> Box<dyn Sampler> {
    Box::new(Program {
        command: command.clone(),
        runner: Arc::clone(runner),
        host: context.host.clone(),
        clock: context.clock.clone(),
        devices: BTreeMap::new(),
    })
}

struct Program {
    command: Command,
    runner: Shared,
    host: String,
    clock: Clock,
    /// By what makes a device's labels.
    devices: BTreeMap<String, Reporter>,
}

impl Sampler for Program {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let limit = self.command.timeout.min(self.command.period());
        let output = lock(&self.runner).run(&self.command.command, limit)?;
        let told = self.command.rules.read(&output);
        if told.is_empty() {
            let start: String = String::from_utf8_lossy(&output).chars().take(120).collect();
            let program = self.command.command.first().map_or("", String::as_str);
            let detail = format!("{program}: no device in its output, which begins {start:?}");
            return Err(Failure::new(FailureKind::Malformed, detail));
        }
        let mut devices = BTreeMap::new();
        for (index, told) in told.into_iter().enumerate() {
            let device = self.device(index, &told);
            let key = format!("{device:?}");
            let known = self.devices.remove(&key);
            let mut reporter = known.unwrap_or_else(|| Reporter::new(&device, &self.clock));
            reporter.read(Group::Fast, |readings| {
                readings.put(&ACCELERATOR_INFO, Some(1.0));
                for (metric, labels, value) in &told.values {
                    let labels: Vec<(&'static str, &str)> =
                        labels.iter().map(|(name, text)| (*name, text.as_str())).collect();
                    readings.put_of(metric, &labels, Some(*value));
                }
            });
            // Two entries with the same labels are one device; the first counts.
            if devices.contains_key(&key) {
                continue;
            }
            reporter.deliver(batch);
            devices.insert(key, reporter);
        }
        self.devices = devices;
        Ok(())
    }
}

impl Program {
    fn device(&self, index: usize, told: &Told) -> Device {
        let text = |name: &str| told.identity.get(name).cloned();
        let index = text("index").unwrap_or_else(|| index.to_string());
        let address = text("pci_bus_id").map(|address| pci_bus_id(&address)).unwrap_or_default();
        let vendor = self.command.vendor;
        let known = text("uuid");
        let by_address = (!address.is_empty()).then(|| format!("pci:{address}"));
        Device {
            uuid: known.or(by_address).unwrap_or_else(|| format!("{vendor}:{index}")),
            index,
            vendor,
            model: text("model").unwrap_or_default(),
            pci_bus_id: address,
            host: self.host.clone(),
            partition: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use model::UnixMs;

    use super::{
        super::{Holders, Settings},
        *,
    };

    fn program(script: &str, timeout: Duration) -> Command {
        let fields = [
            "index = @key".to_owned(),
            "model = name".to_owned(),
            "accelerator_power_watts = power".to_owned(),
            "accelerator_temperature_celsius{sensor=core} = temp".to_owned(),
        ];
        Command {
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            vendor: "acme",
            period: Duration::from_secs(10),
            timeout,
            rules: Rules::parse(Some("*"), None, &fields).unwrap(),
        }
    }

    fn sampler(script: &str, timeout: Duration, runner: &Shared) -> Box<dyn Sampler> {
        let context = Context {
            root: "/".into(),
            host: "h".into(),
            clock: Clock::manual(UnixMs(0)),
            holders: Holders::default(),
            settings: Settings::default(),
        };
        open(&context, &program(script, timeout), runner)
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn words_before_json_and_values_that_are_none() {
        let script = r#"echo "WARNING: [0] is busy {1}"; echo '{"0": {"name": "A1", "power": "61 W",
            "temp": "N/A"}, "1": {"name": "A1", "power": 7}}'"#;
        let mut sampler = sampler(script, LONG, &Shared::default());
        for _ in 0..2 {
            let mut batch = Batch::default();
            sampler.sample(&mut batch).unwrap();
            let base = ["uuid", "vendor", "host", "model"];
            let lines: Vec<String> = batch
                .samples
                .iter()
                .map(|(labels, value)| {
                    assert_eq!(labels.get("vendor"), Some("acme"));
                    format!("{} {value}", labels.keep(|name| !base.contains(&name)))
                })
                .collect();
            for expected in [
                "accelerator_up{index=\"0\"} 1",
                "accelerator_power_watts{index=\"0\"} 61",
                "accelerator_power_watts{index=\"1\"} 7",
                "accelerator_info{index=\"1\"} 1",
            ] {
                assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:#?}");
            }
            assert!(!lines.iter().any(|line| line.contains("temperature")), "{lines:#?}");
        }
    }

    #[test]
    fn a_program_that_misbehaves_is_a_failing_source() {
        let check = |script: &str, timeout, kind| {
            let mut sampler = sampler(script, timeout, &Shared::default());
            let failure = sampler.sample(&mut Batch::default()).unwrap_err();
            assert_eq!(failure.kind, kind, "{failure}");
        };
        check("sleep 600", Duration::from_millis(200), FailureKind::TimedOut);
        check("yes", LONG, FailureKind::TooLarge);
        check("echo no; exit 9", LONG, FailureKind::Refused);
        check("echo nothing to see", LONG, FailureKind::Malformed);
        check("echo '{\"0\": {\"power\": \"N/A\"}}'", LONG, FailureKind::Malformed);
    }

    #[test]
    fn no_shell_reads_the_arguments() {
        let rules =
            Rules::parse(None, Some("(?P<n>\\d+)"), &["accelerator_power_watts = n".into()]);
        let command = Command {
            command: ["/bin/echo", "$HOME; 5", "`id`"].map(str::to_owned).to_vec(),
            rules: rules.unwrap(),
            ..program("", LONG)
        };
        let output = Runner::default().run(&command.command, LONG).unwrap();
        assert_eq!(String::from_utf8_lossy(&output), "$HOME; 5 `id`\n");
        assert_eq!(command.rules.read(&output).len(), 1);
    }
}
