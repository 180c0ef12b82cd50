//! The live socket with many pages, slow ones, and ones that go and come back.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use e2e::{
    Modelwatch, NOTICED, PATIENCE,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    socket::{Block, LiveSocket, Message, Schemas},
};
use serde_json::{Value, json};
use xtask::wait;

/// Nothing but what the tests write.
const QUIET: &str = "[collect]\ndiscover = false\n";
/// What a page is told.
#[derive(Debug)]
enum Told {
    Text(Value),
    /// All blocks of one message, each of the generation whose schema came before.
    Tick(Vec<Block>),
}

/// A page as far as its live connection goes.
struct Page {
    socket: LiveSocket,
    schemas: Schemas,
}

impl Page {
    fn open(modelwatch: &Modelwatch) -> Result<Self> {
        let address = &modelwatch.address;
        let socket = LiveSocket::open(address, address, None)?;
        let mut page = Self { socket, schemas: Schemas::default() };
        let hello = page.text("hello")?;
        ensure!(hello["now"].is_i64(), "{hello}");
        Ok(page)
    }

    fn subscribe(&mut self, id: u64, query: &str) -> Result<()> {
        self.socket.send(&json!({ "type": "sub", "id": id, "query": query, "step": 1000 }))
    }

    fn next(&mut self) -> Result<Told> {
        match self.socket.receive()? {
            Message::Text(text) => {
                self.schemas.learn(&text)?;
                Ok(Told::Text(text))
            }
            Message::Binary(bytes) => Ok(Told::Tick(self.schemas.blocks(&bytes)?)),
        }
    }

    /// The next message of that type.
    fn text(&mut self, kind: &str) -> Result<Value> {
        loop {
            match self.next()? {
                Told::Text(text) if text["type"] == kind => return Ok(text),
                Told::Text(text) if text["type"] == "error" => bail!("{text}"),
                _ => {}
            }
        }
    }

    /// The next tick.
    fn tick(&mut self) -> Result<Vec<Block>> {
        loop {
            match self.next()? {
                Told::Tick(blocks) => return Ok(blocks),
                Told::Text(text) if text["type"] == "error" => bail!("{text}"),
                Told::Text(_) => {}
            }
        }
    }
}

/// Writes one sample of each of so many series of `name`.
fn write(modelwatch: &Modelwatch, name: &str, series: Range<u32>) -> Result<()> {
    let samples = [(recent_ms()?, 1.0)];
    let ids: Vec<String> = series.map(|index| format!("{index:05}")).collect();
    let labels: Vec<_> = ids.iter().map(|id| [("__name__", name), ("id", id.as_str())]).collect();
    let sent: Vec<Sent<'_>> =
        labels.iter().map(|labels| Sent { labels, samples: &samples }).collect();
    let response = modelwatch.write(Protocol::V1, &message_v1(&sent))?;
    ensure!(response.status == 204, "{}: {}", response.status, response.text());
    Ok(())
}

/// Times in seconds and values of a metric of our own in the last so many seconds.
fn own(modelwatch: &Modelwatch, metric: &str, seconds: u32) -> Result<Vec<(f64, f64)>> {
    let found = modelwatch.query(&format!("{metric}[{seconds}s]"))?;
    let points = found.first().context("not there yet")?["values"].as_array().cloned();
    let point = |point: &Value| {
        let value = point[1].as_str().and_then(|value| value.parse().ok());
        Some((point[0].as_f64()?, value?))
    };
    Ok(points.unwrap_or_default().iter().filter_map(point).collect())
}

#[test]
fn ten_pages_cost_as_much_as_one() -> Result<()> {
    const QUERIES: u64 = 40;
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let mut pages = Vec::new();
    for _ in 0..10 {
        let mut page = Page::open(&modelwatch)?;
        for id in 1..=QUERIES {
            page.subscribe(id, &format!("vector({id})"))?;
        }
        pages.push(page);
    }
    for page in &mut pages {
        wait::until("a tick of all queries", PATIENCE, || {
            let blocks = page.tick()?;
            let values: Vec<f32> = blocks.iter().flat_map(|block| block.values.clone()).collect();
            let expected: Vec<f32> = (1..=QUERIES).map(|id| id as f32).collect();
            ensure!(values == expected, "{values:?}");
            let is_same = blocks.windows(2).all(|pair| pair[0].time == pair[1].time);
            ensure!(is_same, "a tick of several times");
            Ok(())
        })?;
    }
    let evaluations = "modelwatch_live_evaluations_total";
    wait::until("three readings of our own", PATIENCE, || {
        let points = own(&modelwatch, evaluations, 12)?;
        let (Some(first), Some(last)) = (points.first(), points.last()) else { bail!("none") };
        let (seconds, count) = (last.0 - first.0, last.1 - first.1);
        ensure!(seconds >= 10.0 && first.1 > 0.0, "{points:?}");
        // Each query once a second, not once a page.
        ensure!(count > 0.0 && count <= QUERIES as f64 * seconds, "{count} in {seconds} s");
        Ok(())
    })?;
    ensure!(modelwatch.value("modelwatch_live_clients")? == 10.0);
    // Connections that are cut leave nothing behind.
    drop(pages);
    wait::until("nobody", PATIENCE, || {
        ensure!(modelwatch.value("modelwatch_live_clients")? == 0.0);
        let points = own(&modelwatch, evaluations, 8)?;
        let (Some(first), Some(last)) = (points.first(), points.last()) else { bail!("none") };
        ensure!(last.0 > first.0 && last.1 == first.1, "still evaluated: {points:?}");
        Ok(())
    })
}

#[test]
fn a_slow_page_loses_ticks_and_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    write(&modelwatch, "crowd", 0..1_000)?;
    let mut healthy = Page::open(&modelwatch)?;
    healthy.subscribe(1, "vector(1)")?;
    let resident = "modelwatch_process_resident_bytes";
    wait::until("our own size", PATIENCE, || modelwatch.value(resident))?;
    let before = modelwatch.value(resident)?;
    let mut slow = Page::open(&modelwatch)?;
    for id in 1..=64 {
        slow.subscribe(id, "crowd")?;
    }
    // Many more than fit on the way and into the queue of a page that does not read. The other one gets all that
    // there are.
    let (mut ticks, mut last) = (0, 0);
    while ticks < 23 {
        match healthy.next()? {
            Told::Tick(blocks) => (ticks, last) = (ticks + 1, blocks[0].time),
            Told::Text(text) => ensure!(text["type"] != "gap", "{text} after {ticks} ticks"),
        }
    }
    let during = modelwatch.value(resident)?;
    ensure!(during - before < 64e6, "{before} bytes before, {during} with a slow page");
    let gap = slow.text("gap")?["from"].as_i64().context("a gap of nothing")?;
    ensure!(gap < last, "{gap} {last}");
    let next = slow.tick()?[0].time;
    ensure!(next > gap + 1_000, "no tick is missing after {gap}: {next}");
    slow.tick()?;
    wait::until("the count", PATIENCE, || {
        ensure!(modelwatch.value("modelwatch_live_ticks_dropped_total")? > 0.0);
        Ok(())
    })
}

#[test]
fn series_that_appear_make_a_generation_and_too_many_are_cut_off() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let mut page = Page::open(&modelwatch)?;
    page.subscribe(1, "few")?;
    let empty = page.text("schema")?;
    ensure!(empty["series"] == json!([]) && empty["omitted"] == 0, "{empty}");
    write(&modelwatch, "few", 0..1)?;
    let one = page.text("schema")?;
    ensure!(one["series"] == json!([{ "__name__": "few", "id": "00000" }]), "{one}");
    ensure!(one["gen"].as_u64() > empty["gen"].as_u64(), "{empty} {one}");
    let tick = page.tick()?;
    ensure!(Some(tick[0].generation) == one["gen"].as_u64() && tick[0].values == [1.0], "{tick:?}");
    // The same subscription anew begins with its schema.
    page.subscribe(1, "few")?;
    let anew = page.text("schema")?;
    ensure!(
        anew["series"] == one["series"] && anew["gen"].as_u64() > one["gen"].as_u64(),
        "{anew}"
    );

    write(&modelwatch, "crowd", 0..10_000)?;
    page.subscribe(2, "crowd")?;
    let crowd = wait::until("the crowd", NOTICED, || {
        let schema = page.text("schema")?;
        ensure!(schema["id"] == 2 && schema["omitted"] != 0, "{}", schema["omitted"]);
        Ok(schema)
    })?;
    ensure!(crowd["omitted"] == 9_000, "{}", crowd["omitted"]);
    let mut ticks = 0;
    while ticks < 3 {
        match page.next()? {
            Told::Text(text) => ensure!(text["type"] != "schema", "a schema at every tick"),
            Told::Tick(blocks) => {
                let block = blocks.iter().find(|block| block.id == 2).context("no block")?;
                ensure!(block.values.len() == 1_000, "{} values", block.values.len());
                ticks += 1;
            }
        }
    }
    Ok(())
}

#[test]
fn a_page_that_comes_back_gets_what_it_missed() -> Result<()> {
    const QUERY: &str = "time() % 1000";
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let mut clock = Page::open(&modelwatch)?;
    clock.subscribe(1, QUERY)?;
    let seen = clock.tick()?[0].time;
    while clock.tick()?[0].time < seen + 4_000 {}
    let back = |since: i64| -> Result<Page> {
        let mut page = Page::open(&modelwatch)?;
        let sub = json!({ "type": "sub", "id": 7, "query": QUERY, "step": 1000, "since": since });
        page.socket.send(&sub)?;
        ensure!(page.text("schema")?["id"] == 7);
        Ok(page)
    };
    let mut page = back(seen)?;
    let mut blocks = page.tick()?;
    ensure!(blocks.len() >= 3, "{blocks:?}");
    blocks.extend(page.tick()?);
    for (block, time) in blocks.iter().zip((1..).map(|tick| seen + tick * 1_000)) {
        let value = (time / 1_000 % 1_000) as f32;
        ensure!(block.time == time && block.values == [value], "{time}: {block:?}");
    }
    let mut long_gone = back(seen - 100_000_000)?;
    let gap = long_gone.text("gap")?;
    ensure!(gap["id"] == 7 && gap["from"] == seen - 100_000_000, "{gap}");
    ensure!(long_gone.tick()?.len() == 1, "one block a tick");
    // Nothing was missed.
    let mut early = back(seen + 100_000_000)?;
    ensure!(early.tick()?.len() == 1, "one block a tick");
    Ok(())
}

#[test]
fn subscriptions_are_bounded_and_faults_are_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    write(&modelwatch, "few", 0..2)?;
    let mut page = Page::open(&modelwatch)?;
    let mut refused = |message: &Value| -> Result<Value> {
        page.socket.send(message)?;
        loop {
            match page.next()? {
                Told::Text(text) if text["type"] == "error" => return Ok(text),
                _ => {}
            }
        }
    };
    let sub = |id: u64, query: &str, step: i64| json!({ "type": "sub", "id": id, "query": query, "step": step });
    let expect = |found: Value, code: &str, id: &Value| {
        ensure!(found["code"] == code && found["id"] == *id, "{found}");
        Ok(())
    };
    expect(refused(&sub(1, "sum(", 1_000))?, "bad_query", &json!(1))?;
    expect(refused(&sub(2, "few", 999))?, "bad_step", &json!(2))?;
    expect(refused(&sub(3, "few", 61_000))?, "bad_step", &json!(3))?;
    expect(refused(&json!({ "type": "dance" }))?, "bad_message", &Value::Null)?;
    // What parses and cannot be evaluated is found out by the first tick.
    expect(refused(&sub(4, "few * on () few", 1_000))?, "failed", &json!(4))?;
    for id in 1..=64 {
        page.subscribe(id, "few")?;
    }
    page.subscribe(65, "few")?;
    loop {
        if let Told::Text(text) = page.next()?
            && text["type"] == "error"
        {
            return expect(text, "too_many", &json!(65));
        }
    }
}
