//! A program of the operator's own: the webhook's body as its input, its exit status as its answer.
//!
//! No shell takes part, the path is absolute, the environment is almost empty, and when the time is over the program
//! ends with all that it started and that stayed in its process group.

use std::{path::Path, process::Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};

use super::{Job, Service, Way, webhook};
use crate::{Failure, Need, Rate};

/// Most of its complaints that are shown.
const COMPLAINT_BYTES_MAX: u64 = 512;
/// How long the rest of what it complains of is waited for when it has ended.
const COMPLAINT_PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);
/// What a program exits with when trying again is of no use (`EX_DATAERR` of `sysexits.h`).
const EXIT_LASTING: i32 = 65;
/// Environment variables that are passed on; secrets are not.
const PASSED_ON: &[&str] = &["PATH", "TZ", "LANG"];

pub(super) const SERVICE: Service = Service {
    base: "",
    rate: Rate::per_minute(60),
    needs: &[Need::Command],
    has_files: true,
    has_pictures: false,
    way: Way::Command,
};

pub(crate) async fn send(job: &Job<'_>) -> Result<(), Failure> {
    let Some((program, arguments)) = job.settings.command.split_first() else {
        return Err(Failure::lasting("no command is given"));
    };
    if !Path::new(program).is_absolute() {
        return Err(Failure::lasting(format!("{program}: the path is not absolute")));
    }
    let failed = |error: std::io::Error| Failure::passing(format!("{program}: {error}"));
    let mut child = start(program, arguments).map_err(failed)?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let limit = job.settings.timeout;
    let ran = timeout(limit, run(&mut child, webhook::body(job).to_string().into_bytes())).await;
    if let Some(group) = group {
        // An error means that nobody is left.
        kill_process_group(group, Signal::KILL).ok();
    }
    match ran {
        Err(_) => {
            child.wait().await.map_err(failed)?;
            Err(Failure::passing(format!("{program}: not over after {limit:?}")))
        }
        Ok(ran) => {
            let (status, complaint) = ran.map_err(failed)?;
            let reason = format!("{program}: {status} {}", complaint.trim());
            match status.code() {
                Some(0) => Ok(()),
                Some(EXIT_LASTING) => Err(Failure::lasting(reason)),
                _ => Err(Failure::passing(reason)),
            }
        }
    }
}

fn start(program: &str, arguments: &[String]) -> std::io::Result<Child> {
    let passed_on = PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(passed_on)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn run(
    child: &mut Child,
    input: Vec<u8>,
) -> std::io::Result<(std::process::ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feeding = async move {
        if let Some(mut stdin) = stdin {
            // A program may have heard enough before the end.
            stdin.write_all(&input).await.ok();
        }
    };
    let listening = async move {
        let mut complaint = Vec::new();
        if let Some(mut stderr) = stderr {
            (&mut stderr).take(COMPLAINT_BYTES_MAX).read_to_end(&mut complaint).await.ok();
            // The rest is taken and dropped, else the program would wait for somebody to read it.
            tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await.ok();
        }
        String::from_utf8_lossy(&complaint).into_owned()
    };
    // What it has started may go on and hold its output open: the program itself has said how it ended.
    let listening = async {
        let listened = tokio::spawn(listening);
        let status = child.wait().await;
        let complaint = timeout(COMPLAINT_PATIENCE, listened).await;
        (status, complaint.ok().and_then(Result::ok).unwrap_or_default())
    };
    let ((), (status, complaint)) = tokio::join!(feeding, listening);
    Ok((status?, complaint))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{UnixMs, message::Language};

    use super::*;
    use crate::{
        Kind, Settings,
        codec::{Item, tests::notification},
        content,
        kinds::Access,
    };

    async fn run(command: &[&str], limit: Duration) -> Result<(), Failure> {
        let settings = Settings {
            command: command.iter().map(|part| (*part).to_owned()).collect(),
            timeout: limit,
            ..Settings::new("x", Kind::Command)
        };
        let told = content::of_notification(&notification(), Language::English, &|_| 0);
        let item = Item::Notification(Box::new(notification()));
        let access = Access::default();
        send(&Job {
            settings: &settings,
            access: &access,
            item: &item,
            told: &told,
            picture: None,
            file: None,
            key: "k-1",
            now: UnixMs(0),
        })
        .await
    }

    #[tokio::test]
    async fn programs_read_the_body_and_answer_with_their_status() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("got");
        let script = format!("cat > {}", path.display());
        let long = Duration::from_secs(20);
        run(&["/bin/sh", "-c", &script], long).await.unwrap();
        let body: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((&body["receiver"], &body["modelwatch"]["key"]), (&"x".into(), &"k-1".into()));
        let failure = run(&["/bin/sh", "-c", "echo bad >&2; exit 65"], long).await.unwrap_err();
        assert!(!failure.is_passing && failure.reason.contains("bad"), "{failure}");
        let failure = run(&["/bin/sh", "-c", "exit 1"], long).await.unwrap_err();
        assert!(failure.is_passing, "{failure}");
        assert!(run(&["/no/such"], long).await.unwrap_err().is_passing);
        assert!(!run(&["sh"], long).await.unwrap_err().is_passing);
        assert!(!run(&[], long).await.unwrap_err().is_passing);
        run(&["/bin/sh", "-c", "test -z \"$HOME\""], long).await.unwrap();
    }

    #[tokio::test]
    async fn programs_that_hang_are_ended_with_their_children() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("child");
        let script = format!("sleep 600 & echo $! > {}; wait", path.display());
        let failure =
            run(&["/bin/sh", "-c", &script], Duration::from_millis(700)).await.unwrap_err();
        assert!(failure.is_passing && failure.reason.contains("not over"), "{failure}");
        let child = std::fs::read_to_string(&path).unwrap();
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.ok().filter(|stat| !stat.contains(") Z "))
        };
        // The kernel ends what was killed when it gets to it.
        let gone = async {
            while state().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.unwrap();
    }
}
