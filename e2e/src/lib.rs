//! What the end-to-end tests stand on: the real process on a free port of loopback with a data folder
//! of its own, a real engine, and hostile peers. The tests are in `tests/`.
//!
//! Nothing here sleeps and hopes: everything waits for a condition with a deadline. Whatever a test
//! starts ends with the test, also when it fails or is interrupted.
#![forbid(unsafe_code)]

mod peers;
mod product;
mod prometheus;
mod requests;
pub mod shape;
pub mod socket;

pub mod remote_write;

pub use peers::{Hostile, serve_hostile};
pub use product::{Modelwatch, Output, command, encode, run_to_end};
pub use prometheus::Prometheus;
pub use requests::{Usage, chat, chat_streamed};

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use xtask::engine::{self, Engine, Installed, Options};

/// How soon a change in the world must be seen.
pub const NOTICED: Duration = Duration::from_secs(10);

/// For the slowest machine that these tests should pass on; nobody waits that long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Says that the test could not do its work. `cargo xtask test` counts it as skipped.
pub fn skip(reason: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{name}: {reason}\n");
    xtask::say(&format!("skipped {}", line.trim_end()));
    if let Some(path) = std::env::var_os("MODELWATCH_SKIPS") {
        let file = OpenOptions::new().append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap_or_default();
    }
}

/// The real engine's files, or `None` after saying why there are none.
pub fn installed_engine() -> Option<Installed> {
    let from_environment = |name| std::env::var_os(name).map(Into::into);
    if let (Some(server), Some(model)) =
        (from_environment("MODELWATCH_TEST_SERVER"), from_environment("MODELWATCH_TEST_MODEL"))
    {
        return Some(Installed { server, model });
    }
    match engine::install(&xtask::say) {
        Ok(installed) => Some(installed),
        Err(error) => {
            skip(&format!("there is no real engine: {error:#}"));
            None
        }
    }
}

/// The script that starts a real vLLM, or `None` after saying why there is none.
pub fn installed_vllm() -> Option<PathBuf> {
    let script = std::env::var_os("MODELWATCH_TEST_VLLM").map(PathBuf::from);
    if script.is_none() {
        skip("there is no vLLM; `cargo xtask test --full` installs it");
    }
    script
}

/// Starts the engine on `port`, 0 for any, with two slots and one thread.
pub fn start_engine(installed: &Installed, port: u16, folder: &Path) -> Result<Engine> {
    let options = Options { port, slots: 2, context: 2048, threads: 1 };
    Engine::start(installed, &options, &folder.join("engine.log"))
}
