//! Programs that Debian packages: finding them, and installing what is missing.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::{process, say};

/// The first of `names` that is in PATH.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|candidate| candidate.is_file())
}

/// Installs packages. Services that come with them are named in `services` and never run.
pub(crate) fn install(packages: &[&str], services: &[&str]) -> Result<()> {
    ensure!(
        Path::new("/usr/bin/apt-get").is_file(),
        "only Debian's apt-get is known here; install them by hand"
    );
    ensure!(rustix::process::geteuid().is_root(), "installing them needs root");
    say(&format!("installing {}", packages.join(", ")));
    // Only systemd would start them, now and at each boot; a masked one it does not.
    if !services.is_empty() && Path::new("/run/systemd/system").is_dir() {
        process::capture(process::command("systemctl").arg("mask").args(services))?;
        say(&format!("masked {}; `systemctl unmask` allows them to run", services.join(", ")));
    }
    let apt = || {
        let mut command = process::command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    process::capture(apt().args(["-qq", "update"]))?;
    process::capture(
        apt().args(["-qq", "-y", "--no-install-recommends", "install"]).args(packages),
    )?;
    Ok(())
}
