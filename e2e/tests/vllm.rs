//! A real vLLM on the CPU, from its first token over its end to another one in its place. It is large, so
//! only `cargo xtask test --full` installs it and runs this.

use std::{cell::Cell, collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use e2e::{Modelwatch, PATIENCE, Usage, chat, chat_streamed, installed_vllm};
use serde_json::{Value, json};
use xtask::{
    engine::MODEL_ALIAS,
    http,
    vllm::{Options, Vllm},
    wait,
};

use crate::wire;

/// The version that the script in `../shared/tools` pins.
const VERSION: &str = "0.32.0";
const CONTEXT: u32 = 8_192;
/// Of the second start.
const CONTEXT_AFTER: u32 = 1_024;
/// Tokens that are computed at once, so that a long prompt takes many steps.
const PIECE: &str = "512";
/// Sentences that fill more than half of the context.
const LONG: usize = 600;
/// How far numbers may be off that change while two read them.
const NOISE: f64 = 0.1;
/// All that may be asked, and all of it is.
const PATHS: &[&str] = &["/health", "/metrics", "/v1/models", "/version"];
/// It ends its children one after the other.
const END_MAX: Duration = Duration::from_secs(120);

/// What the engine says of itself, and where we say the same.
const SAME: &[(&str, &str)] = &[
    ("vllm:prompt_tokens_total", "llm_prompt_tokens_total"),
    ("vllm:generation_tokens_total", "llm_generation_tokens_total"),
    ("vllm:prefix_cache_hits_total", "llm_prompt_tokens_cached_total"),
    ("vllm:request_success_total", "llm_requests_finished_total"),
    ("vllm:num_preemptions_total", "llm_preemptions_total"),
    ("vllm:num_requests_running", "llm_requests_running"),
    ("vllm:num_requests_waiting", "llm_requests_waiting"),
    ("vllm:kv_cache_usage_perc", "llm_kv_cache_usage_ratio"),
    ("vllm:iteration_tokens_total_count", "llm_engine_steps_total"),
    ("vllm:time_to_first_token_seconds_bucket", "llm_time_to_first_token_seconds_bucket"),
    ("vllm:time_to_first_token_seconds_sum", "llm_time_to_first_token_seconds_sum"),
    ("vllm:time_to_first_token_seconds_count", "llm_time_to_first_token_seconds_count"),
    ("vllm:inter_token_latency_seconds_bucket", "llm_inter_token_latency_seconds_bucket"),
    ("vllm:e2e_request_latency_seconds_count", "llm_e2e_request_latency_seconds_count"),
    ("vllm:request_queue_time_seconds_count", "llm_request_queue_time_seconds_count"),
];

/// A modelwatch, and the engine that it watches.
struct World {
    modelwatch: Modelwatch,
    vllm: Vllm,
    /// Questions that this test asked.
    asked: Cell<usize>,
}

#[test]
#[ignore = "vLLM takes 6.3 GB and minutes: cargo xtask test --full"]
fn a_real_vllm_is_watched_through_its_lives() -> Result<()> {
    let Some(script) = installed_vllm() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let flags = ["--max-num-batched-tokens", PIECE];
    let options = Options { port: 0, context: CONTEXT, flags: &flags };
    let vllm = Vllm::start(&script, &options, &folder.path().join("first.log"))?;
    let sockets = worker_sockets(&vllm)?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\nengine_period = \"1s\"")?;
    let mut world = World { modelwatch, vllm, asked: Cell::new(0) };

    world.is_discovered()?;
    world.counts_are_exact()?;
    world.set_up_is_known()?;
    world.processes_are_watched()?;
    world.long_prompt_is_no_hang()?;
    world.rest_is_no_hang()?;
    ensure!(worker_sockets(&world.vllm)? == sockets, "we left connections with its workers");
    world.only_safe_paths_were_asked()?;
    world.ends_and_is_stale()?;

    let port = world.vllm.address.rsplit_once(':').context("no port")?.1.parse()?;
    let old_pid = world.vllm.process.pid();
    let flags = ["--disable-log-stats", "--no-enable-prefix-caching"];
    let options = Options { port, context: CONTEXT_AFTER, flags: &flags };
    world.vllm = Vllm::start(&script, &options, &folder.path().join("second.log"))?;
    world.is_another(old_pid)?;
    wire::estimates_agree(&world.modelwatch, &world.vllm.address)?;
    let World { modelwatch, vllm, .. } = &mut world;
    vllm.process.terminate()?;
    vllm.process.wait_for(END_MAX)?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

impl World {
    fn address(&self) -> &str {
        &self.vllm.address
    }

    /// A series of the engine.
    fn of(&self, name: &str) -> String {
        format!("{name}{{instance=\"{}\"}}", self.address())
    }

    fn value(&self, name: &str) -> Result<f64> {
        self.modelwatch.value(&self.of(name))
    }

    fn ask(&self, prompt: &str, tokens: u32) -> Result<Usage> {
        self.asked.set(self.asked.get() + 1);
        chat(self.address(), prompt, tokens)
    }

    /// The events of the engine that have this code.
    fn events(&self, code: &str) -> Result<Vec<Value>> {
        let answer = self.modelwatch.json("/api/v1/events?limit=1000")?;
        let events = answer["events"].as_array().context("there are no events")?;
        let url = format!("http://{}", self.address());
        let is_it = |event: &&Value| event["code"] == code && event["params"]["url"] == url;
        Ok(events.iter().filter(is_it).cloned().collect())
    }

    fn is_discovered(&self) -> Result<()> {
        wait::until("discovery", PATIENCE, || {
            let found = self.modelwatch.engine(self.address())?;
            ensure!(found["state"] == "up" && found["kind"] == "vllm", "{found}");
            ensure!(found["version"] == VERSION && found["models"][0] == MODEL_ALIAS, "{found}");
            ensure!(found["pid"] == self.vllm.process.pid(), "{found}");
            ensure!(self.value("llm_engine_up")? == 1.0);
            Ok(())
        })
    }

    /// Tokens are those that the answers name, and everything is as vLLM's own page has it.
    fn counts_are_exact(&self) -> Result<()> {
        self.asked.set(self.asked.get() + 1);
        let mut used = vec![chat_streamed(self.address(), "Count to five.", 20)?];
        for prompt in ["Hello", "Hello", "Name three colours.", "What is the sea?"] {
            used.push(self.ask(prompt, 12)?);
        }
        let total: Usage = used.into_iter().sum();
        wait::until("all tokens in the metrics", PATIENCE, || {
            let page = http::get(self.address(), "/metrics")?.text();
            for (theirs, ours) in SAME {
                let expected = sum_of(&page, theirs).with_context(|| format!("no {theirs}"))?;
                let found = self.modelwatch.value(&format!("sum({})", self.of(ours)))?;
                let is_same = (found - expected).abs() <= expected.abs() * 1e-12;
                ensure!(is_same, "{ours} is {found}, and {theirs} is {expected}");
            }
            for (name, expected) in [
                ("llm_prompt_tokens_total", total.prompt as f64),
                ("llm_generation_tokens_total", total.generated as f64),
                ("llm_time_to_first_token_seconds_count", self.asked.get() as f64),
            ] {
                let found = self.value(name)?;
                ensure!(found == expected, "{name} is {found}, the answers say {expected}");
            }
            Ok(())
        })?;
        // It tells its times itself, so nothing is told from its connections.
        let wire = format!("{{instance=\"{}\",source=\"wire\"}}", self.address());
        let estimates = format!("llm_time_to_first_token_seconds_count{wire}");
        ensure!(self.modelwatch.query(&estimates)?.is_empty(), "two say how long it took");
        Ok(())
    }

    fn set_up_is_known(&self) -> Result<()> {
        let labels = format!(
            "model=\"{MODEL_ALIAS}\", context_tokens=\"{CONTEXT}\", parallel=\"4\", dtype=\"bfloat16\", \
             kv_cache_blocks=~\"[0-9]+\", flags=~\".*--max-num-batched-tokens {PIECE}.*\""
        );
        let info = format!("llm_engine_config_info{{instance=\"{}\", {labels}}}", self.address());
        ensure!(self.modelwatch.value(&info)? == 1.0);
        ensure!(self.value("llm_context_tokens_max")? == f64::from(CONTEXT));
        ensure!(self.value("llm_kv_cache_tokens_max")? >= f64::from(CONTEXT));
        ensure!(self.value("llm_model_loaded")? == 1.0);
        // Its cache is in the machine's own memory, whatever it is called.
        let bytes = self.modelwatch.query(&self.of("llm_engine_accelerator_bytes"))?;
        ensure!(bytes.is_empty(), "{bytes:?}");
        Ok(())
    }

    /// What it uses is what all of its processes use: the weights are in a child of a child.
    fn processes_are_watched(&self) -> Result<()> {
        wait::until("the same in /proc", PATIENCE, || {
            let tree = tree(self.vllm.process.pid())?;
            ensure!(tree.len() >= 3, "{tree:?}");
            let resident: f64 = tree.iter().map(|process| process.resident).sum();
            let cpu: f64 = tree.iter().map(|process| process.cpu).sum();
            for (name, expected) in [
                ("llm_engine_process_resident_bytes", resident),
                ("llm_engine_process_cpu_seconds_total", cpu),
                ("llm_engine_processes", tree.len() as f64),
            ] {
                let found = self.value(name)?;
                let is_near = (found / expected - 1.0).abs() < NOISE;
                ensure!(is_near, "{name} is {found}, and by /proc {expected}");
            }
            Ok(())
        })?;
        ensure!(self.value("llm_engine_restarts_total")? == 0.0);
        Ok(())
    }

    /// Of a prompt that is computed in pieces no counter moves before its last one.
    fn long_prompt_is_no_hang(&self) -> Result<()> {
        let prompt: String = (0..LONG).map(|at| format!("Number {at} of the sea. ")).collect();
        let watch = wait::Stopwatch::start();
        let usage = self.ask(&prompt, 4)?;
        let seconds = watch.elapsed().as_secs_f64();
        ensure!(usage.prompt > u64::from(CONTEXT) / 2, "{usage:?}");
        let span = format!("[{}s]", seconds.ceil() as u64);
        let most =
            |name: &str| self.modelwatch.value(&format!("max_over_time({}{span})", self.of(name)));
        ensure!(most("llm_requests_running")? == 1.0, "{seconds} s are too few to be seen");
        let usage = most("llm_kv_cache_usage_ratio")?;
        ensure!(usage > 0.05 && usage < 1.0, "{usage} of the cache");
        let stood = most("llm_engine_stalled_seconds")?;
        xtask::say(&format!("a prompt of {seconds:.1} s"));
        ensure!(stood == 0.0, "it seemed to hang for {stood} s of {seconds}");
        Ok(())
    }

    fn rest_is_no_hang(&self) -> Result<()> {
        wait::until("rest", PATIENCE, || {
            for name in
                ["llm_requests_running", "llm_engine_stalled_seconds", "llm_kv_cache_usage_ratio"]
            {
                let found = self.value(name)?;
                ensure!(found == 0.0, "{name} is {found}");
            }
            Ok(())
        })?;
        ensure!(self.events("event.engine_hung")?.is_empty());
        Ok(())
    }

    /// Its own list of requests has ours, and nothing else but questions that change nothing.
    fn only_safe_paths_were_asked(&self) -> Result<()> {
        let said = self.vllm.said();
        let requests: Vec<(&str, &str)> = said.lines().filter_map(request).collect();
        let of = |method: &str| {
            let paths = requests.iter().filter(|(found, _)| *found == method);
            paths.map(|(_, path)| *path).collect::<Vec<_>>()
        };
        let asked: BTreeSet<&str> = of("GET").into_iter().collect();
        ensure!(asked == PATHS.iter().copied().collect(), "{asked:?}");
        let posted = of("POST");
        ensure!(posted.len() == self.asked.get(), "{posted:?}");
        ensure!(requests.len() == of("GET").len() + posted.len(), "{requests:?}");
        Ok(())
    }

    fn ends_and_is_stale(&mut self) -> Result<()> {
        self.vllm.process.terminate()?;
        self.vllm.process.wait_for(END_MAX)?;
        wait::until("its end", PATIENCE, || {
            ensure!(self.value("llm_engine_up")? == 0.0, "still up");
            for name in ["llm_requests_running", "llm_engine_info", "llm_engine_processes"] {
                let found = self.modelwatch.query(&self.of(name))?;
                ensure!(found.is_empty(), "{name} is still there: {found:?}");
            }
            ensure!(self.events("event.engine_down")?.len() == 1);
            Ok(())
        })?;
        ensure!(self.modelwatch.get("/-/ready")?.status == 200);
        Ok(())
    }

    /// Another process in its place, with less context and no numbers of its own.
    fn is_another(&self, old_pid: u32) -> Result<()> {
        wait::until("its return", PATIENCE, || {
            let found = self.modelwatch.engine(self.address())?;
            ensure!(found["state"] == "up" && found["pid"] == self.vllm.process.pid(), "{found}");
            ensure!(found["pid"] != old_pid, "{found}");
            ensure!(self.value("llm_engine_restarts_total")? == 1.0, "not one restart");
            ensure!(self.events("event.engine_restarted")?.len() == 1);
            ensure!(self.value("llm_engine_cold_start_seconds")? > 1.0);
            let changed = self.events("event.engine_changed")?;
            let context = changed.iter().find(|event| event["params"]["fact"] == "context_tokens");
            let params = &context.with_context(|| format!("not among {changed:?}"))?["params"];
            let expected = json!([CONTEXT.to_string(), CONTEXT_AFTER.to_string()]);
            ensure!(json!([params["old"], params["new"]]) == expected, "{params}");
            Ok(())
        })?;
        // What it does not say is not there, least of all as zero.
        for name in ["llm_requests_running", "llm_generation_tokens_total"] {
            let found = self.modelwatch.query(&self.of(name))?;
            ensure!(found.is_empty(), "{found:?}");
        }
        Ok(())
    }
}

/// Method and path of `INFO: 127.0.0.1:4711 - "GET /health HTTP/1.1" 200 OK`.
fn request(line: &str) -> Option<(&str, &str)> {
    let (_, request) = line.split_once(" - \"")?;
    let (request, _) = request.split_once(" HTTP/1.1\"")?;
    request.split_once(' ')
}

/// The sum of all series of a name on a page.
pub(crate) fn sum_of(page: &str, name: &str) -> Option<f64> {
    let of_name = page
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    let values = of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.reduce(|a, b| a + b)
}

/// A process as `/proc` shows it.
#[derive(Debug)]
struct Shown {
    pid: u32,
    resident: f64,
    cpu: f64,
}

/// A process and its descendants.
fn tree(root: u32) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        let proc = Path::new("/proc").join(pid.to_string());
        let stat = fs::read_to_string(proc.join("stat"))?;
        let fields: Vec<&str> = stat.rsplit_once(')').context("no stat")?.1.split(' ').collect();
        // Fields 14 and 15, in hundredths of a second; field 3 is the second one here.
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let ticks = ticks(12).zip(ticks(13)).context("no CPU time")?;
        let status = fs::read_to_string(proc.join("status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        found.push(Shown {
            pid,
            resident: kib.context("no memory")? * 1024.0,
            cpu: (ticks.0 + ticks.1) / 100.0,
        });
        for task in fs::read_dir(proc.join("task"))? {
            let children = fs::read_to_string(task?.path().join("children"))?;
            waiting.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    Ok(found)
}

/// How many sockets its children have open. What they listen with keeps whoever connects for ever.
fn worker_sockets(vllm: &Vllm) -> Result<usize> {
    let root = vllm.process.pid();
    let mut count = 0;
    for process in tree(root)?.iter().filter(|process| process.pid != root) {
        for file in fs::read_dir(format!("/proc/{}/fd", process.pid))? {
            let target = fs::read_link(file?.path())?;
            count += usize::from(target.to_string_lossy().starts_with("socket:"));
        }
    }
    ensure!(count > 0, "it has no workers");
    Ok(count)
}
