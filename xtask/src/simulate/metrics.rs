//! The series of the simulated deployment, as lines of the Prometheus text format.

use std::io::{self, Write};

use model::catalogue::{self as metric, Metric};

use super::world::{
    self, ENGINES, Engine, FULL_ENGINE, HOT, HOT_DEVICE, Moment, NODES, Node, RESTART, hash, wander,
};

/// vLLM's buckets, in seconds.
const TTFT_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2_560.0,
];
const TOKEN_BUCKETS: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
/// How far latencies lie apart: the standard deviation of their logarithm.
const SPREAD: f64 = 0.55;
const CPUS_SHOWN: usize = 8;

/// Cumulative counts of one histogram.
struct Histogram {
    bounds: &'static [f64],
    counts: Vec<f64>,
    sum: f64,
    count: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0.0; bounds.len()], sum: 0.0, count: 0.0 }
    }

    /// So many log-normal values around a median.
    fn add(&mut self, number: f64, median: f64) {
        if number <= 0.0 || median <= 0.0 {
            return;
        }
        for (bound, count) in self.bounds.iter().zip(&mut self.counts) {
            // The logistic curve stands in for the normal distribution's, from which it differs by 1 % at most.
            let part = 1.0 / (1.0 + (-1.702 * (bound / median).ln() / SPREAD).exp());
            *count += number * part;
        }
        self.sum += number * median * (SPREAD * SPREAD / 2.0).exp();
        self.count += number;
    }
}

/// What an engine has counted since it started.
struct Counted {
    labels: String,
    ttft: Histogram,
    tpot: Histogram,
    itl: Histogram,
    queue: Histogram,
    input: f64,
    cached: f64,
    output: f64,
    stopped: f64,
    preemptions: f64,
    started: f64,
}

impl Counted {
    fn new(engine: &Engine, started: f64) -> Self {
        let node = NODES[engine.node].name;
        let labels = format!(
            "engine=\"{}\",instance=\"{node}:{}\",model=\"{}\",source=\"engine\"",
            engine.kind, engine.port, engine.model
        );
        Self {
            labels,
            ttft: Histogram::new(TTFT_BUCKETS),
            tpot: Histogram::new(TOKEN_BUCKETS),
            itl: Histogram::new(TOKEN_BUCKETS),
            queue: Histogram::new(TTFT_BUCKETS),
            input: 0.0,
            cached: 0.0,
            output: 0.0,
            stopped: 0.0,
            preemptions: 0.0,
            started,
        }
    }

    fn count(&mut self, engine: &Engine, moment: &Moment, seconds: f64) {
        let requests = moment.requests * seconds;
        self.ttft.add(requests, moment.ttft);
        self.tpot.add(requests, moment.tpot);
        self.itl.add(requests * engine.output, moment.tpot * 0.95);
        self.queue.add(requests, 0.004 + moment.waiting * 0.08);
        self.input += requests * engine.input;
        self.cached += requests * engine.input * moment.prefix_hits.max(0.0);
        self.output += requests * engine.output;
        self.stopped += requests;
        self.preemptions += moment.preemptions * seconds;
    }
}

/// Counters of a machine and of its accelerators.
#[derive(Clone, Default)]
struct Totals {
    busy: f64,
    idle: f64,
    received: f64,
    sent: f64,
    read: f64,
    written: f64,
    pressure: f64,
    throttled: f64,
}

/// Everything that goes on from one reading to the next.
pub(super) struct Deployment {
    end: f64,
    engines: Vec<Counted>,
    nodes: Vec<Totals>,
    uuids: Vec<Vec<String>>,
    last: Option<f64>,
}

/// How an accelerator is used at one time.
struct Busy {
    busy: f64,
    watts: f64,
    /// How far the heat has gone, 0 to 1.
    hot: f64,
    seed: u64,
}

/// Where lines of one time go.
struct Lines<'a> {
    out: &'a mut dyn Write,
    time_ms: i64,
}

impl Lines<'_> {
    fn put(&mut self, metric: &Metric, labels: &str, value: f64) -> io::Result<()> {
        self.named(metric.name, labels, value)
    }

    fn named(&mut self, name: &str, labels: &str, value: f64) -> io::Result<()> {
        writeln!(self.out, "{name}{{{labels}}} {value} {}", self.time_ms)
    }

    fn histogram(&mut self, metric: &Metric, labels: &str, found: &Histogram) -> io::Result<()> {
        let name = metric.name;
        for (bound, count) in found.bounds.iter().zip(&found.counts) {
            self.named(
                &format!("{name}_bucket"),
                &format!("{labels},le=\"{bound:?}\""),
                count.floor(),
            )?;
        }
        let all = found.count.floor();
        self.named(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), all)?;
        self.named(&format!("{name}_count"), labels, all)?;
        self.named(&format!("{name}_sum"), labels, found.sum)
    }
}

impl Deployment {
    /// `end` is in Unix seconds; what happens is told from it backwards.
    pub(super) fn new(end: f64, begin: f64) -> Self {
        let engines = ENGINES.iter().map(|engine| Counted::new(engine, begin - 7_200.0)).collect();
        let uuid = |node: usize, index: usize| {
            let bits = (hash(900 + node as u64, index as i64) * f64::from(u32::MAX)) as u32;
            format!("GPU-{bits:08x}-51aa-{node:04x}-{index:04x}-000000000000")
        };
        let uuids = NODES.iter().enumerate();
        let uuids = uuids.map(|(at, node)| (0..node.cards).map(|index| uuid(at, index)).collect());
        Self {
            end,
            engines,
            nodes: vec![Totals::default(); NODES.len()],
            uuids: uuids.collect(),
            last: None,
        }
    }

    /// Writes what a reading at this time finds.
    pub(super) fn read(&mut self, time: f64, out: &mut dyn Write) -> io::Result<()> {
        let seconds = self.last.map_or(0.0, |last| time - last);
        self.last = Some(time);
        let before_end = self.end - time;
        let mut lines = Lines { out, time_ms: (time * 1e3).round() as i64 };
        let moments: Vec<Moment> =
            (0..ENGINES.len()).map(|which| world::moment(which, time, before_end)).collect();
        for (which, moment) in moments.iter().enumerate() {
            self.engine(which, moment, before_end, seconds, &mut lines)?;
        }
        for (at, node) in NODES.iter().enumerate() {
            self.node(at, &moments, before_end, seconds, &mut lines)?;
            for index in 0..node.cards {
                self.accelerator((at, index), &moments, before_end, seconds, &mut lines)?;
            }
        }
        Ok(())
    }

    fn engine(
        &mut self,
        which: usize,
        moment: &Moment,
        before_end: f64,
        seconds: f64,
        lines: &mut Lines<'_>,
    ) -> io::Result<()> {
        let engine = &ENGINES[which];
        let is_after = which == FULL_ENGINE && before_end <= RESTART.1;
        if is_after && self.engines[which].started < self.end - RESTART.1 {
            self.engines[which] = Counted::new(engine, self.end - RESTART.1);
        }
        let counted = &mut self.engines[which];
        counted.count(engine, moment, seconds);
        let labels = counted.labels.as_str();
        lines.put(&metric::LLM_ENGINE_UP, labels, f64::from(u8::from(moment.is_up)))?;
        if !moment.is_up {
            return Ok(());
        }
        let node = &NODES[engine.node];
        let url = format!("http://{}:{}", node.name, engine.port);
        let pid = world::pid(which, before_end);
        let info = format!("{labels},pid=\"{pid}\",url=\"{url}\",version=\"{}\"", engine.version);
        lines.put(&metric::LLM_ENGINE_INFO, &info, 1.0)?;
        let flags = if is_after { engine.flags_later } else { engine.flags };
        if !flags.is_empty() {
            lines.put(
                &metric::LLM_ENGINE_CONFIG_INFO,
                &format!("{labels},flags=\"{flags}\""),
                1.0,
            )?;
        }
        lines.put(&metric::LLM_ENGINE_PROCESS_START_TIME_SECONDS, labels, counted.started)?;
        lines.put(&metric::LLM_ENGINE_RESTARTS_TOTAL, labels, f64::from(u8::from(is_after)))?;
        lines.put(&metric::LLM_MODEL_LOADED, labels, 1.0)?;
        lines.put(&metric::LLM_REQUESTS_RUNNING, labels, moment.running)?;
        lines.put(&metric::LLM_REQUESTS_WAITING, labels, moment.waiting)?;
        lines.put(&metric::LLM_KV_CACHE_USAGE_RATIO, labels, moment.cache)?;
        lines.put(&metric::LLM_KV_CACHE_TOKENS_MAX, labels, engine.cache)?;
        lines.put(&metric::LLM_PREEMPTIONS_TOTAL, labels, counted.preemptions.floor())?;
        lines.put(&metric::LLM_PROMPT_TOKENS_TOTAL, labels, counted.input.floor())?;
        lines.put(&metric::LLM_PROMPT_TOKENS_CACHED_TOTAL, labels, counted.cached.floor())?;
        lines.put(&metric::LLM_GENERATION_TOKENS_TOTAL, labels, counted.output.floor())?;
        let stopped = format!("{labels},reason=\"stop\"");
        lines.put(&metric::LLM_REQUESTS_FINISHED_TOTAL, &stopped, counted.stopped.floor())?;
        lines.histogram(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, labels, &counted.ttft)?;
        lines.histogram(&metric::LLM_INTER_TOKEN_LATENCY_SECONDS, labels, &counted.itl)?;
        lines.histogram(&metric::LLM_REQUEST_QUEUE_TIME_SECONDS, labels, &counted.queue)?;
        let per_token = &metric::LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS;
        lines.histogram(per_token, labels, &counted.tpot)?;
        let wire = labels.replace("source=\"engine\"", "source=\"wire\"");
        let (address, scope) = if engine.node == 2 {
            ("::".to_owned(), "all")
        } else {
            (format!("10.20.0.{}", 11 + engine.node), "private")
        };
        let listen = format!("{wire},address=\"{address}\",scope=\"{scope}\"");
        lines.put(&metric::LLM_ENGINE_LISTEN_INFO, &listen, 1.0)?;
        let established = format!("{wire},state=\"established\"");
        lines.put(&metric::LLM_CONNECTIONS, &established, moment.running + 4.0)?;
        let rtt = 0.000_35 + 0.000_3 * wander(40 + which as u64, before_end, 60.0);
        lines.put(&metric::LLM_CONNECTION_RTT_SECONDS, &wire, rtt)?;
        lines.put(
            &metric::LLM_CONNECTION_RETRANSMITS_TOTAL,
            &wire,
            (counted.stopped / 900.0).floor(),
        )
    }

    fn node(
        &mut self,
        at: usize,
        moments: &[Moment],
        before_end: f64,
        seconds: f64,
        lines: &mut Lines<'_>,
    ) -> io::Result<()> {
        let (node, totals) = (&NODES[at], &mut self.nodes[at]);
        let of_engine = ENGINES.iter().zip(moments).find(|(engine, _)| engine.node == at);
        let busy = of_engine.map_or(0.0, |(_, moment)| moment.busy);
        let cpu = 0.04 + 0.16 * busy + 0.05 * wander(20 + at as u64, before_end, 12.0);
        totals.busy += cpu * seconds;
        totals.idle += (1.0 - cpu) * seconds;
        totals.received += seconds * (2.0e5 + 4.0e6 * busy);
        totals.sent += seconds * (1.5e5 + 2.5e6 * busy);
        totals.read += seconds * 1.2e6 * hash(30 + at as u64, (before_end / 30.0) as i64);
        totals.written += seconds * 2.4e6 * wander(31 + at as u64, before_end, 60.0);
        totals.pressure += seconds * 0.02 * busy;
        let name = node.name;
        let base = format!("instance=\"{name}:9100\",job=\"node\"");
        let uname = format!(
            "{base},domainname=\"(none)\",machine=\"x86_64\",nodename=\"{name}\",release=\"6.8.0-90\",\
             sysname=\"Linux\",version=\"#91\""
        );
        lines.put(&metric::NODE_UNAME_INFO, &uname, 1.0)?;
        lines.put(&metric::NODE_BOOT_TIME_SECONDS, &base, self.end - 9.4e6)?;
        lines.put(&metric::NODE_LOAD1, &base, cpu * node.cpus as f64 * 1.1)?;
        for number in 0..CPUS_SHOWN {
            let cpu = |mode: &str| format!("{base},cpu=\"{number}\",mode=\"{mode}\"");
            lines.put(&metric::NODE_CPU_SECONDS_TOTAL, &cpu("idle"), totals.idle)?;
            lines.put(&metric::NODE_CPU_SECONDS_TOTAL, &cpu("user"), totals.busy * 0.8)?;
            lines.put(&metric::NODE_CPU_SECONDS_TOTAL, &cpu("system"), totals.busy * 0.2)?;
        }
        let memory = |field: &str| metric::NODE_MEMORY_BYTES.name.replace('*', field);
        lines.named(&memory("MemTotal"), &base, node.memory)?;
        let available = node.memory * (0.62 - 0.1 * wander(50 + at as u64, before_end, 900.0));
        lines.named(&memory("MemAvailable"), &base, available)?;
        let disk = format!("{base},device=\"nvme0n1\"");
        lines.put(&metric::NODE_DISK_READ_BYTES_TOTAL, &disk, totals.read)?;
        lines.put(&metric::NODE_DISK_WRITTEN_BYTES_TOTAL, &disk, totals.written)?;
        let files = format!("{base},device=\"/dev/nvme0n1p2\",fstype=\"ext4\",mountpoint=\"/\"");
        lines.put(&metric::NODE_FILESYSTEM_SIZE_BYTES, &files, 3.8e12)?;
        let free = 3.8e12 * (0.44 - 0.09 * at as f64) - totals.written * 0.2;
        lines.put(&metric::NODE_FILESYSTEM_AVAIL_BYTES, &files, free)?;
        let link = format!("{base},device=\"bond0\"");
        lines.put(&metric::NODE_NETWORK_RECEIVE_BYTES_TOTAL, &link, totals.received)?;
        lines.put(&metric::NODE_NETWORK_TRANSMIT_BYTES_TOTAL, &link, totals.sent)?;
        lines.put(&metric::NODE_PRESSURE_CPU_WAITING_SECONDS_TOTAL, &base, totals.pressure)?;
        lines.put(&metric::NODE_PRESSURE_IO_WAITING_SECONDS_TOTAL, &base, totals.pressure * 0.3)
    }

    fn accelerator(
        &mut self,
        (at, index): (usize, usize),
        moments: &[Moment],
        before_end: f64,
        seconds: f64,
        lines: &mut Lines<'_>,
    ) -> io::Result<()> {
        let Node { name, card, .. } = &NODES[at];
        let (vendor, model, uuid) = (card.vendor, card.model, self.uuids[at][index].as_str());
        let base = format!(
            "host=\"{name}\",index=\"{index}\",model=\"{model}\",uuid=\"{uuid}\",vendor=\"{vendor}\""
        );
        let user = ENGINES.iter().position(|engine| engine.node == at && index < engine.cards);
        let busy = user.map_or(0.0, |user| moments[user].busy);
        let seed = 500 + (at * 16 + index) as u64;
        let busy = (busy * (0.92 + 0.12 * wander(seed, before_end, 8.0))).min(1.0);
        let hot = if (at, index) == HOT_DEVICE { world::during(HOT, before_end) } else { 0.0 };
        let watts = card.idle_watts
            + (card.watts - card.idle_watts)
                * busy
                * (0.78 + 0.1 * wander(seed + 1, before_end, 20.0));
        let celsius = 34.0 + 34.0 * busy + 4.0 * wander(seed + 2, before_end, 90.0) + 24.0 * hot;
        let is_used = user.is_some_and(|user| moments[user].is_up);
        let used = if is_used { card.memory * 0.905 } else { card.memory * 0.006 };
        let info = format!("{base},driver_version=\"{}\"", card.driver);
        lines.put(&metric::ACCELERATOR_INFO, &info, 1.0)?;
        lines.put(&metric::ACCELERATOR_UP, &base, 1.0)?;
        lines.put(&metric::ACCELERATOR_UTILIZATION_RATIO, &base, busy)?;
        lines.put(&metric::ACCELERATOR_MEMORY_TOTAL_BYTES, &base, card.memory)?;
        lines.put(&metric::ACCELERATOR_MEMORY_USED_BYTES, &base, used)?;
        lines.put(&metric::ACCELERATOR_POWER_WATTS, &base, watts * (1.0 - 0.35 * hot))?;
        let sensor = format!("{base},sensor=\"core\"");
        lines.put(&metric::ACCELERATOR_TEMPERATURE_CELSIUS, &sensor, celsius.round())?;
        let clock = card.hertz * (0.86 + 0.14 * busy) * (1.0 - 0.42 * hot);
        let domain = format!("{base},domain=\"core\"");
        lines.put(&metric::ACCELERATOR_CLOCK_HERTZ, &domain, (clock / 1.5e7).round() * 1.5e7)?;
        lines.put(&metric::ACCELERATOR_HEALTH, &format!("{base},state=\"ok\""), 1.0)?;
        if let Some(user) = user.filter(|user| moments[*user].is_up) {
            let engine = &ENGINES[user];
            let wanted = self.engines[user].labels.as_str();
            let labels = format!("{wanted},index=\"{index}\",uuid=\"{uuid}\",vendor=\"{vendor}\"");
            lines.put(&metric::LLM_ENGINE_ACCELERATOR_MEMORY_BYTES, &labels, used * 0.99)?;
            let process = format!(
                "{base},pid=\"{}\",process=\"{}\"",
                world::pid(user, before_end),
                engine.kind
            );
            lines.put(&metric::ACCELERATOR_PROCESS_MEMORY_BYTES, &process, used * 0.99)?;
        }
        // What Ascend's driver does not tell is said to be so, and not zero.
        if vendor == "ascend" {
            for field in ["throttle", "power_limit"] {
                let state = format!("{base},field=\"{field}\",state=\"unsupported\"");
                lines.put(&metric::ACCELERATOR_FIELD_STATE, &state, 1.0)?;
            }
            return Ok(());
        }
        let busy = Busy { busy, watts, hot, seed };
        self.limits((at, index), &base, &busy, seconds, lines)
    }

    /// What NVIDIA's driver tells besides.
    fn limits(
        &mut self,
        (at, index): (usize, usize),
        base: &str,
        Busy { busy, watts, hot, seed }: &Busy,
        seconds: f64,
        lines: &mut Lines<'_>,
    ) -> io::Result<()> {
        let card = NODES[at].card;
        let limit = format!("{base},kind=\"enforced\"");
        lines.put(&metric::ACCELERATOR_POWER_LIMIT_WATTS, &limit, card.watts)?;
        let most = format!("{base},domain=\"core\"");
        lines.put(&metric::ACCELERATOR_CLOCK_MAX_HERTZ, &most, card.hertz)?;
        let slowdown = format!("{base},kind=\"slowdown\"");
        lines.put(&metric::ACCELERATOR_TEMPERATURE_LIMIT_CELSIUS, &slowdown, 87.0)?;
        let is_capped = *watts > card.watts * 0.87;
        let totals = &mut self.nodes[at];
        totals.throttled += if *hot > 0.5 { seconds } else { 0.0 };
        for (reason, is_active) in [
            ("hw_thermal", *hot > 0.5),
            ("sw_thermal", *hot > 0.2),
            ("sw_power_cap", is_capped),
            ("idle", *busy < 0.01),
        ] {
            let labels = format!("{base},reason=\"{reason}\"");
            lines.put(
                &metric::ACCELERATOR_THROTTLE_ACTIVE,
                &labels,
                f64::from(u8::from(is_active)),
            )?;
        }
        if (at, index) == HOT_DEVICE {
            let labels = format!("{base},reason=\"hw_thermal\"");
            lines.put(&metric::ACCELERATOR_THROTTLE_SECONDS_TOTAL, &labels, totals.throttled)?;
        }
        let errors = format!("{base},location=\"all\",scope=\"volatile\",type=\"corrected\"");
        lines.put(&metric::ACCELERATOR_ECC_ERRORS_TOTAL, &errors, (hash(*seed, 1) * 3.0).floor())
    }
}
