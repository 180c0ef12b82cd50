//! The one module that starts processes. Whatever it starts ends with it: each child leads a process
//! group, and the group is ended when its owner is dropped or when we are interrupted.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Mutex, Once, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::wait;

/// How long a group may take to end in good order before it is killed.
const GRACE: Duration = Duration::from_secs(8);

static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A command that gets no keyboard input.
#[expect(clippy::disallowed_methods, reason = "this is the one module that starts processes")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    let mut command = command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::root());
    command
}

/// A running child and everything that it started.
pub struct Process {
    child: Child,
    group: Pid,
    name: String,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        let child =
            command.process_group(0).spawn().with_context(|| format!("failed to start {name}"))?;
        let group = Pid::from_child(&child);
        groups.push(group);
        Ok(Self { child, group, name })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().with_context(|| format!("failed to wait for {}", self.name));
        self.forget();
        status
    }

    /// The exit status, if it ends within `limit`.
    pub fn wait_for(&mut self, limit: Duration) -> Result<ExitStatus> {
        let Self { child, name, .. } = self;
        let status = wait::until(&format!("end of {name}"), limit, || {
            child.try_wait()?.context("it still runs")
        })?;
        self.forget();
        Ok(status)
    }

    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Asks the group to end.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends the group without asking.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process_group(self.group, signal)
            .with_context(|| format!("failed to send {signal:?} to {}", self.name))
    }

    fn forget(&self) {
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        groups.retain(|group| *group != self.group);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            end_groups(&[self.group], || matches!(self.child.try_wait(), Ok(Some(_))));
            if let Err(error) = self.child.wait() {
                crate::say(&format!("failed to reap {}: {error}", self.name));
            }
        }
        self.forget();
    }
}

/// Asks groups to end, and kills what has not ended after a while.
fn end_groups(groups: &[Pid], mut ended: impl FnMut() -> bool) {
    for group in groups {
        // An error means that it is gone, which is what we want.
        kill_process_group(*group, Signal::TERM).unwrap_or_default();
    }
    let all_gone = wait::until("end of children", GRACE, || {
        if ended() { Ok(()) } else { bail!("some still run") }
    });
    if all_gone.is_err() {
        for group in groups {
            kill_process_group(*group, Signal::KILL).unwrap_or_default();
        }
    }
}

/// From now on Ctrl-C, a hang-up and SIGTERM end all children before they end us.
pub fn end_children_on_signals() -> Result<()> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]);
        result = signals.map_err(Into::into).map(|mut signals| {
            std::thread::spawn(move || {
                if let Some(signal) = signals.forever().next() {
                    let groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let gone =
                        || groups.iter().all(|group| test_kill_process_group(*group).is_err());
                    end_groups(&groups, gone);
                    std::process::exit(128 + signal);
                }
            });
        });
    });
    result
}

/// Runs to the end with our own output; anything but success is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = Process::spawn(command)?.wait()?;
    check(command, status)
}

/// Runs to the end and returns what it printed on standard output.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        check(command, output.status).with_context(|| stderr.trim().to_owned())?;
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end and returns status and output, whatever they are.
pub fn output(command: &mut Command) -> Result<Output> {
    let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let stderr = process.child.stderr.take().context("invariant: stderr is piped")?;
    let reader = std::thread::spawn(move || std::io::read_to_string(stderr).unwrap_or_default());
    let stdout = process.child.stdout.take().context("invariant: stdout is piped")?;
    let stdout = std::io::read_to_string(stdout)?.into_bytes();
    let stderr = reader.join().unwrap_or_default().into_bytes();
    Ok(Output { status: process.wait()?, stdout, stderr })
}

/// Runs to the end, passes each line of its output on as it comes, and returns status and output.
pub fn tee(command: &mut Command) -> Result<(ExitStatus, String)> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let spawned = Process::spawn(command);
    command.stdout(Stdio::null()).stderr(Stdio::null()); // drops our ends of the pipe
    let mut process = spawned?;
    let mut text = String::new();
    let mut lines = BufReader::new(reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let shown = String::from_utf8_lossy(&line);
        crate::say(shown.trim_end_matches('\n'));
        text.push_str(&shown);
        line.clear();
    }
    Ok((process.wait()?, text))
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    bail!("`{}` ended with {status}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_takes_its_children_along() {
        let process = Process::spawn(command("sh").args(["-c", "sleep 600 & wait"])).unwrap();
        let group = process.group;
        assert!(test_kill_process_group(group).is_ok());
        drop(process);
        wait::until("end of the group", GRACE, || match test_kill_process_group(group) {
            Ok(()) => bail!("a member still runs"),
            Err(_) => Ok(()),
        })
        .unwrap();
    }

    #[test]
    fn both_streams_are_passed_on() {
        let (status, text) =
            tee(command("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(3), "out\nerr\n"));
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = capture(command("sh").args(["-c", "echo reason >&2; exit 4"])).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("reason") && text.contains("exit status: 4"), "{text}");
    }
}
