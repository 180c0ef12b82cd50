//! Runs a foreign program once and takes what it prints, whatever it does.
//!
//! It gets a process group of its own, no input, a small environment and never a shell. It is given
//! a deadline and a bound on its output; when either is over, and also when it has ended by itself,
//! the whole group is killed, so that no child of it stays but one that left the group on purpose. A
//! program that the kernel does not let die (a hanging driver) is left behind, and no second one is
//! started beside it.

use std::{
    io::{self, Read},
    os::{fd::AsFd, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use model::Clock;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

use crate::{Failure, FailureKind};

/// Most bytes of output that are taken.
pub(super) const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// Most bytes of its complaints that are shown.
const COMPLAINT_BYTES_MAX: usize = 512;
/// How often a program that prints nothing is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a killed program may take to be gone.
const GRACE: Duration = Duration::from_millis(500);

/// Environment variables that are passed on; where libraries and drivers lie is needed, secrets are
/// not.
const PASSED_ON: &[&str] = &["LD_LIBRARY_PATH", "PATH", "TZ"];
/// Where programs are looked for when we have no path ourselves.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One program that is run again and again.
#[derive(Debug)]
pub(super) struct Runner {
    /// Killed and not yet gone.
    lingering: Option<Child>,
    /// The machine's, also in tests: programs do not live in any other time.
    clock: Clock,
}

impl Default for Runner {
    fn default() -> Self {
        Self { lingering: None, clock: Clock::system() }
    }
}

impl Runner {
    /// What the program prints. Fails when it cannot be started, ends with a failure, prints too much,
    /// or is not over after `limit`.
    pub(super) fn run(&mut self, command: &[String], limit: Duration) -> Result<Vec<u8>, Failure> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Failure::new(FailureKind::Absent, "no command is given"));
        };
        if let Some(child) = &mut self.lingering {
            if matches!(child.try_wait(), Ok(None)) {
                let detail = format!("{program}: the last run was killed and is still there");
                return Err(Failure::new(FailureKind::TimedOut, detail));
            }
            self.lingering = None;
        }
        let deadline = self.clock.monotonic() + limit;
        let mut child =
            start(program, arguments).map_err(|error| Failure::from_io(program, &error))?;
        let mut output = Output::default();
        let outcome = output.read(&mut child, &self.clock, deadline);
        let status = self.end(child);
        let complaint = String::from_utf8_lossy(&output.complaint);
        let complaint = complaint.trim();
        match (outcome, status) {
            (Ok(End::Exited), Some(status)) if status.success() => Ok(output.text),
            (Ok(End::Exited), status) => {
                let status = status.map(|status| status.to_string()).unwrap_or_default();
                let detail = format!("{program}: {status} {complaint}");
                Err(Failure::new(FailureKind::Refused, detail.trim_end()))
            }
            (Ok(End::TooLarge), _) => {
                let detail = format!("{program}: more than {OUTPUT_BYTES_MAX} bytes");
                Err(Failure::new(FailureKind::TooLarge, detail))
            }
            (Ok(End::TimedOut), _) => {
                let detail = format!("{program}: not over after {limit:?} {complaint}");
                Err(Failure::new(FailureKind::TimedOut, detail.trim_end()))
            }
            (Err(error), _) => Err(Failure::from_io(program, &error)),
        }
    }

    /// Kills the group and waits for its leader. The leader has not been waited for yet, so its number
    /// cannot belong to another group.
    fn end(&mut self, mut child: Child) -> Option<std::process::ExitStatus> {
        if let Some(group) = pid_of(&child) {
            // An error means that nobody is left.
            kill_process_group(group, Signal::KILL).ok();
        }
        let deadline = self.clock.monotonic() + GRACE;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if self.clock.monotonic() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(None) | Err(_) => {
                    self.lingering = Some(child);
                    return None;
                }
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one module that starts programs while sampling, and only those that a person names"
)]
fn start(program: &str, arguments: &[String]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("LC_ALL", "C").env("PATH", PATH);
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

/// Why reading stopped.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Exited,
    TooLarge,
    TimedOut,
}

#[derive(Debug, Default)]
struct Output {
    text: Vec<u8>,
    complaint: Vec<u8>,
    /// Everything that came, what was not kept included.
    bytes: usize,
}

impl Output {
    fn read(&mut self, child: &mut Child, clock: &Clock, deadline: Duration) -> io::Result<End> {
        let (mut text, mut complaint) = (child.stdout.take(), child.stderr.take());
        let pipes = [text.as_ref().map(AsFd::as_fd), complaint.as_ref().map(AsFd::as_fd)];
        for pipe in pipes.into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        loop {
            // Looked at before reading, so that what was printed before the end is not missed.
            let has_exited = has_exited(child);
            self.bytes += take(&mut text, &mut self.text, OUTPUT_BYTES_MAX)?;
            self.bytes += take(&mut complaint, &mut self.complaint, COMPLAINT_BYTES_MAX)?;
            if self.bytes > OUTPUT_BYTES_MAX {
                return Ok(End::TooLarge);
            }
            if has_exited {
                return Ok(End::Exited);
            }
            let left = deadline.saturating_sub(clock.monotonic());
            if left.is_zero() {
                return Ok(End::TimedOut);
            }
            wait_for(&text, &complaint, left.min(LOOK))?;
        }
    }
}

/// Whether the program is over, without taking its status: until then its number stays its own.
fn has_exited(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    pid_of(child).is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None)))
}

/// Waits until a pipe has something, or for `limit`.
fn wait_for(
    text: &Option<impl AsFd>,
    complaint: &Option<impl AsFd>,
    limit: Duration,
) -> io::Result<()> {
    let pipes = [text.as_ref().map(AsFd::as_fd), complaint.as_ref().map(AsFd::as_fd)];
    let mut pipes: Vec<PollFd<'_>> = pipes
        .into_iter()
        .flatten()
        .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN))
        .collect();
    let limit = Timespec::try_from(limit).ok();
    match poll(&mut pipes, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes what is there, keeps the first `keep` bytes, and closes the pipe at its end. Returns how many
/// bytes came.
fn take(pipe: &mut Option<impl Read>, into: &mut Vec<u8>, keep: usize) -> io::Result<usize> {
    let Some(open) = pipe else { return Ok(0) };
    let mut buffer = [0; 8 << 10];
    let mut taken = 0;
    // A bound, so that a program that floods cannot hold us here beyond its deadline.
    for _ in 0..32 {
        match open.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(taken);
            }
            Ok(count) => {
                let room = keep.saturating_sub(into.len()).min(count);
                into.extend_from_slice(buffer.get(..room).unwrap_or_default());
                taken += count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Result<String, Failure> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let output = Runner::default().run(&command, limit)?;
        Ok(String::from_utf8(output).unwrap())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn what_is_printed_arrives() {
        assert_eq!(run("echo a; echo b >&2; sleep 0.05; echo c", LONG).unwrap(), "a\nc\n");
        assert_eq!(run("head -c 900000 /dev/zero | tr '\\0' x", LONG).unwrap().len(), 900_000);
    }

    #[test]
    fn it_starts_without_our_environment_and_without_input() {
        let text = run("env; cat; pwd", LONG).unwrap();
        let names: Vec<&str> =
            text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert!(names.contains(&"PATH") && text.contains("LC_ALL=C"), "{text}");
        let known = ["LC_ALL", "LD_LIBRARY_PATH", "PATH", "PWD", "SHLVL", "TZ", "_", "OLDPWD"];
        assert!(names.iter().all(|name| known.contains(name)), "{text}");
        assert!(text.ends_with("/\n"), "{text}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        // The grandchild ignores the polite signals and holds the output open.
        let script = format!(
            "(trap '' TERM HUP INT; echo $$ >&2; exec sleep 600) & echo $! > {}; wait",
            file.display()
        );
        let (clock, hang) = (Clock::system(), Duration::from_secs(600));
        let started = clock.monotonic();
        let failure = run(&script, Duration::from_millis(400)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::TimedOut, "{failure}");
        assert!(clock.monotonic() - started < hang / 2, "it was waited for");
        let pid = std::fs::read_to_string(&file).unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        while !gone() {
            assert!(clock.monotonic() - started < hang / 2, "the grandchild is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_child_that_stays_does_not_hold_us_up() {
        let (clock, hang) = (Clock::system(), Duration::from_secs(600));
        let started = clock.monotonic();
        assert_eq!(run("sleep 600 & echo done", LONG).unwrap(), "done\n");
        assert!(clock.monotonic() - started < hang / 2, "it was waited for");
    }

    #[test]
    fn a_flood_is_cut_off() {
        for script in ["yes 0123456789", "yes 0123456789 >&2"] {
            let failure = run(script, LONG).unwrap_err();
            assert_eq!(failure.kind, FailureKind::TooLarge, "{failure}");
            assert!(failure.detail.len() < 1_000);
        }
    }

    #[test]
    fn a_program_that_fails_says_why() {
        let failure = run("echo no device >&2; exit 3", LONG).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.detail.ends_with("exit status: 3 no device"), "{failure}");
        let failure = Runner::default().run(&["/nowhere/at/all".into()], LONG).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Absent);
        assert_eq!(Runner::default().run(&[], LONG).unwrap_err().kind, FailureKind::Absent);
    }
}
