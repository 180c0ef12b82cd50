//! Accelerators: GPUs, NPUs and their like, of every vendor, as one family of metrics.
//!
//! Each vendor is one row of the table, one file or folder, and one thread of its own, because a vendor's
//! library may block for as long as it likes. No SDK is needed to build: libraries are opened while
//! running, and a vendor whose library or files are not on this machine is looked for once a minute. It
//! needs no root; what a driver keeps from us is named by `accelerator_field_state`.
//!
//! Nothing is ever written to a device, and no device is woken to be read. Facts: `collect.md` of the
//! project's reference, sections 2, 3 and 8.

mod amd;
mod ascend;
mod cambricon;
mod child;
mod command;
mod drm;
#[cfg(test)]
mod fake;
mod fdinfo;
mod files;
mod fleet;
mod gpu_metrics;
mod intel;
mod kmsg;
mod library;
mod metax;
mod mthreads;
mod nvml;
mod processes;
mod report;
mod rules;
#[cfg(test)]
mod standin;
mod xid;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::{Clock, sample::Batch};

use crate::{
    Failure, Registry, Sinks, collector,
    guard::Guard,
    schedule::{Sampler, Task, Visit, Watch},
    source::SourceGroup,
};

pub use command::{Command, PERIOD_MIN as COMMAND_PERIOD_MIN};
#[cfg(test)]
pub(crate) use processes::held;
pub(crate) use processes::{Holders, IDENTITY, engine_of};
pub use rules::Rules;

/// How long a vendor that could not be opened is left alone.
const REST: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// One vendor.
struct Vendor {
    /// Of the source; the part after the dot is the label `vendor`.
    name: &'static str,
    /// How often it may be read. What changes slowly is read less often by the sampler itself.
    period: Duration,
    open: fn(&Context) -> Result<Box<dyn Sampler>, Failure>,
}

/// All vendors, sorted by name.
#[rustfmt::skip]
static VENDORS: &[Vendor] = &[
    Vendor { name: "accelerator.amd", period: SECOND, open: amd::open },
    Vendor { name: "accelerator.cambricon", period: SECOND, open: cambricon::open },
    Vendor { name: "accelerator.enflame", period: SECOND, open: nvml::open_enflame },
    Vendor { name: "accelerator.huawei", period: ascend::PERIOD, open: ascend::open },
    Vendor { name: "accelerator.hygon", period: SECOND, open: amd::open_hygon },
    Vendor { name: "accelerator.iluvatar", period: SECOND, open: nvml::open_iluvatar },
    Vendor { name: "accelerator.intel", period: SECOND, open: intel::open },
    Vendor { name: "accelerator.kunlunxin", period: SECOND, open: nvml::open_kunlunxin },
    Vendor { name: "accelerator.metax", period: SECOND, open: metax::open },
    Vendor { name: "accelerator.mthreads", period: SECOND, open: mthreads::open },
    Vendor { name: "accelerator.nvidia", period: SECOND, open: nvml::open_nvidia },
];

/// The vendors that are known, as the label has them.
pub fn vendors() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().map(|vendor| vendor.name.rsplit('.').next().unwrap_or(vendor.name))
}

/// What the configuration says of accelerators.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Vendor and path of its library, where it is not in one of the usual places.
    pub libraries: Vec<(String, PathBuf)>,
    /// Whether to give NVIDIA's readings under the names of DCGM too.
    pub has_dcgm_names: bool,
    /// Programs that tell of devices that nothing else can read.
    pub commands: Vec<Command>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { libraries: Vec::new(), has_dcgm_names: true, commands: Vec::new() }
    }
}

/// What a vendor's reader needs to know.
#[derive(Clone, Debug)]
struct Context {
    /// Where `/proc`, `/sys` and `/dev` of the watched host are found.
    root: PathBuf,
    /// The label `host`.
    host: String,
    clock: Clock,
    holders: Holders,
    settings: Settings,
}

impl Context {
    /// Where to look for a vendor's library: where the configuration says, else in the usual places.
    fn libraries(&self, vendor: &str, usual: &[&str]) -> Vec<PathBuf> {
        let given = self.settings.libraries.iter().filter(|(name, _)| name == vendor);
        let given: Vec<PathBuf> = given.map(|(_, path)| path.clone()).collect();
        if given.is_empty() { usual.iter().map(PathBuf::from).collect() } else { given }
    }
}

/// Starts one thread for each vendor and each program.
pub(crate) fn start(
    settings: &collector::Settings,
    clock: &Clock,
    sinks: &Sinks,
    registry: &Registry,
    holders: &Holders,
) -> io::Result<Watch> {
    let mut watch = Watch::default();
    let visit = |vendor: &'static Vendor| {
        let period = vendor.period.max(settings.host_period);
        let task = task(vendor, period, registry, context(settings, clock, holders));
        Visit { name: vendor.name, task, period }
    };
    let visits = VENDORS.iter().map(visit).collect();
    watch.spawn_while_present("accelerators", visits, REST, clock, sinks)?;
    for (index, command) in settings.accelerators.commands.iter().enumerate() {
        let task = command_task(index, command, settings, clock, registry);
        watch.spawn("accel.command", vec![task], command.period(), clock, sinks)?;
    }
    Ok(watch)
}

/// Reads every vendor once, and runs every program once, for `check`.
pub(crate) fn look_once(
    settings: &collector::Settings,
    clock: &Clock,
    registry: &Registry,
) -> Vec<Guard> {
    let mut batch = Batch::new(clock.now());
    let holders = Holders::default();
    let tasks = VENDORS
        .iter()
        .map(|vendor| task(vendor, vendor.period, registry, context(settings, clock, &holders)));
    let commands = settings.accelerators.commands.iter().enumerate();
    let commands =
        commands.map(|(index, command)| command_task(index, command, settings, clock, registry));
    tasks
        .chain(commands)
        .map(|mut task| {
            task.read(clock, &mut batch);
            task.into_guard()
        })
        .collect()
}

fn task(vendor: &'static Vendor, period: Duration, registry: &Registry, context: Context) -> Task {
    let open = move || (vendor.open)(&context);
    Task::new(vendor.name, SourceGroup::Accelerator, (period, 1), registry, open).resting(REST)
}

fn command_task(
    index: usize,
    command: &Command,
    settings: &collector::Settings,
    clock: &Clock,
    registry: &Registry,
) -> Task {
    let (context, command, runner) = (
        context(settings, clock, &Holders::default()),
        command.clone(),
        command::Shared::default(),
    );
    // There may be several programs of one vendor.
    let name = format!("accelerator.command.{}.{}", index + 1, command.vendor);
    let period = command.period();
    let open = move || Ok(command::open(&context, &command, &runner));
    Task::new(&name, SourceGroup::Accelerator, (period, 1), registry, open)
}

fn context(settings: &collector::Settings, clock: &Clock, holders: &Holders) -> Context {
    Context {
        root: settings.root.clone(),
        host: host(&settings.root).unwrap_or_else(|| settings.instance.clone()),
        clock: clock.clone(),
        holders: holders.clone(),
        settings: settings.accelerators.clone(),
    }
}

/// The name of the watched machine.
fn host(root: &Path) -> Option<String> {
    let name = std::fs::read_to_string(root.join("proc/sys/kernel/hostname")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(VENDORS.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn the_host_has_the_name_of_the_watched_machine() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(host(root.path()), None);
        std::fs::create_dir_all(root.path().join("proc/sys/kernel")).unwrap();
        std::fs::write(root.path().join("proc/sys/kernel/hostname"), "gpu-1\n").unwrap();
        assert_eq!(host(root.path()).as_deref(), Some("gpu-1"));
    }

    #[test]
    fn a_configured_library_replaces_the_usual_places() {
        let mut context = Context {
            root: "/".into(),
            host: "n".into(),
            clock: Clock::system(),
            holders: Holders::default(),
            settings: Settings::default(),
        };
        assert_eq!(context.libraries("a", &["x", "y"]), [PathBuf::from("x"), "y".into()]);
        context.settings.libraries.push(("a".into(), "/z".into()));
        assert_eq!(context.libraries("a", &["x", "y"]), [PathBuf::from("/z")]);
        assert_eq!(context.libraries("b", &["x"]), [PathBuf::from("x")]);
    }
}
