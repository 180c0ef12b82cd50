//! A real vLLM on the CPU, for `cargo xtask test --full`. The script that installs and starts it is not
//! in this repository but beside it, in `../shared/tools`; without it there is no vLLM.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    engine, http,
    process::{self, Process},
    say, wait,
};

const SCRIPT: &str = "../shared/tools/engine-vllm.sh";

/// For a busy machine with few cores; an idle one takes half a minute.
const START_MAX: Duration = Duration::from_secs(600);

/// Threads that compute, gigabytes of KV cache, and requests at the same time.
const SMALL: &[(&str, &str)] = &[("THREADS", "1"), ("KV_GB", "1"), ("SLOTS", "4")];

/// How to start it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// 0: any free port.
    pub port: u16,
    /// Context tokens of each request.
    pub context: u32,
    /// Its own flags.
    pub flags: &'a [&'a str],
}

/// A running vLLM that ends with this value.
pub struct Vllm {
    pub process: Process,
    /// `127.0.0.1:PORT`
    pub address: String,
    log: PathBuf,
}

/// Installs what is missing and returns the script that starts it.
pub fn install() -> Result<PathBuf> {
    let script = crate::root().join(SCRIPT);
    ensure!(script.is_file(), "there is no {SCRIPT}");
    say("looking after vLLM; it is 6.3 GB when nothing is there");
    process::run(process::command("bash").arg(&script).arg("--install-only"))?;
    Ok(script)
}

impl Vllm {
    /// Starts it with the script and waits until it has loaded the model. `log` receives what it prints.
    pub fn start(script: &Path, options: &Options<'_>, log: &Path) -> Result<Self> {
        let port = if options.port == 0 { engine::free_port()? } else { options.port };
        let output =
            File::create(log).with_context(|| format!("failed to write {}", log.display()))?;
        let mut command = process::command("bash");
        command.arg(script).arg("--").args(options.flags).envs(SMALL.iter().copied());
        for name in ["API_KEY", "MODEL", "MODEL_SHA256", "PORT_FILE"] {
            command.env_remove(name); // equal runs everywhere
        }
        command.env("PORT", port.to_string()).env("CTX", options.context.to_string());
        command.env("ALIAS", engine::MODEL_ALIAS).stdout(output.try_clone()?).stderr(output);
        let process = Process::spawn(&mut command)?;
        let address = format!("127.0.0.1:{port}");
        let mut vllm = Self { process, address, log: log.to_owned() };
        vllm.wait_until_ready().with_context(|| format!("it said:\n{}", vllm.said()))?;
        Ok(vllm)
    }

    /// What it has printed so far, the lines about its requests included.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let Self { process, address, .. } = self;
        let mut ended = false;
        wait::until("start of vLLM", START_MAX, || {
            ended = process.has_ended();
            if ended {
                return Ok(());
            }
            match http::get(address, "/health")?.status {
                200 => Ok(()),
                status => bail!("/health answers {status}"),
            }
        })?;
        ensure!(!ended, "vLLM ended at once");
        Ok(())
    }
}
