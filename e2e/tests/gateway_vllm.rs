//! The gateway in front of a real vLLM: what it counts against vLLM's own counters, what it measures against a
//! client's clock and vLLM's histograms. Large, so only `cargo xtask test --full` runs it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Modelwatch, PATIENCE, chat, chat_streamed, command, encode, installed_vllm, run_to_end};
use serde_json::{Value, json};
use xtask::{
    engine::{self, MODEL_ALIAS},
    http, say,
    vllm::{Options, Vllm},
    wait,
};

use crate::vllm::sum_of;

const API: &str = "/api/mw/v1";
const CHAT: &str = "/v1/chat/completions";
/// Of the load generator, besides those that warm it up.
const REQUESTS: usize = 16;
/// How far two that measure the same may be apart, in milliseconds or as a share, whichever is larger.
const APART_MS: f64 = 2.0;
const APART_SHARE: f64 = 0.02;
/// vLLM's clock for TTFT starts when the request was parsed and stops when the token was made; reading the
/// request and writing the event are not in it.
const SERVING_MS_MAX: f64 = 25.0;

struct World {
    vllm: Vllm,
    modelwatch: Modelwatch,
    gateway: String,
}

/// vLLM's counters, of which two looks are compared.
#[derive(Clone, Copy, Debug)]
struct Counters {
    prompt: f64,
    generated: f64,
    finished: f64,
    ttft: (f64, f64),
    tpot: (f64, f64),
    gaps: (f64, f64),
}

#[test]
#[ignore = "vLLM takes 6.3 GB and minutes: cargo xtask test --full"]
fn the_gateway_agrees_with_a_real_vllm() -> Result<()> {
    let Some(script) = installed_vllm() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let options = Options { port: 0, context: 2_048, flags: &[] };
    let vllm = Vllm::start(&script, &options, &folder.path().join("vllm.log"))?;
    let gateway = format!("127.0.0.1:{}", engine::free_port()?);
    // The collector finds it under another name of this machine than the gateway is told.
    let port = vllm.address.rsplit_once(':').context("no port")?.1;
    let more = format!(
        "[collect]\nengine_period = \"1s\"\n[gateway]\nlisten = \"{gateway}\"\n\
         [[gateway.upstream]]\nname = \"local\"\nurl = \"http://localhost:{port}\"\n"
    );
    let modelwatch = Modelwatch::start(folder.path(), &more)?;
    let mut world = World { vllm, modelwatch, gateway };
    world.times_agree(folder.path())?;
    world.counts_agree()?;
    world.first_logprobs_are_cold()?;
    world.known_differences()?;
    world.vllm.process.terminate()?;
    ensure!(world.modelwatch.terminate(PATIENCE)?.success(), "{}", world.modelwatch.log());
    Ok(())
}

impl World {
    fn counters(&self) -> Result<Counters> {
        let page = http::get(&self.vllm.address, "/metrics")?.text();
        let value = |name: &str| {
            let name = format!("vllm:{name}");
            sum_of(&page, &name).with_context(|| format!("no {name}"))
        };
        let histogram = |name: &str| -> Result<(f64, f64)> {
            Ok((value(&format!("{name}_sum"))?, value(&format!("{name}_count"))?))
        };
        Ok(Counters {
            prompt: value("prompt_tokens_total")?,
            generated: value("generation_tokens_total")?,
            finished: value("request_success_total")?,
            ttft: histogram("time_to_first_token_seconds")?,
            tpot: histogram("request_time_per_output_token_seconds")?,
            gaps: histogram("inter_token_latency_seconds")?,
        })
    }

    /// Of chats with that filter, the newest first, once there are so many.
    fn records(&self, filter: &str, count: usize) -> Result<Vec<Value>> {
        let filter = encode(&format!("operation:chat {filter}"));
        let path = format!("{API}/requests?limit=1000&filter={filter}");
        wait::until("the records", PATIENCE, || {
            let found = self.modelwatch.json(&path)?;
            let all = found["requests"].as_array().cloned().unwrap_or_default();
            ensure!(all.len() == count, "{} records of {count}", all.len());
            Ok(all)
        })
    }

    /// The sum of the gateway's series, which carry the kind and the address that the collector found.
    fn series(&self, name: &str) -> Result<f64> {
        let at = format!("source=\"gateway\",engine=\"vllm\",instance=\"{}\"", self.vllm.address);
        self.modelwatch.value(&format!("sum({name}{{{at}}})"))
    }

    /// The load generator is the client, so that all three look at the same requests.
    fn times_agree(&self, folder: &std::path::Path) -> Result<()> {
        let before = self.counters()?;
        let json = folder.join("run.json");
        let (url, json_path) = (format!("http://{}", self.gateway), json.display().to_string());
        let requests = REQUESTS.to_string();
        let words = ["bench", &url, "--requests", &requests, "--prompt-tokens", "48"];
        let more = ["--output-tokens", "32", "--ignore-eos", "--json", &json_path];
        let words: Vec<&std::ffi::OsStr> =
            words.iter().chain(&more).map(|word| word.as_ref()).collect();
        let output = run_to_end(&mut command(&folder.join("state"), &words))?;
        ensure!(output.code == Some(0), "{}", output.text);
        let run: Value = serde_json::from_slice(&fs::read(json)?)?;
        let client = run["loads"][0]["requests"].as_array().cloned().unwrap_or_default();
        ensure!(client.len() == REQUESTS, "{run}");

        let after = self.counters_when(&before, None)?;
        let all = self.records("outcome:ok", (after.finished - before.finished) as usize)?;
        let measured = all.get(..REQUESTS).context("too few records")?;
        for (ours, theirs, histogram) in [
            ("ttft_ms", "ttft_seconds", [before.ttft, after.ttft]),
            ("tpot_ms", "tpot_seconds", [before.tpot, after.tpot]),
        ] {
            let at_gateway = mean(measured, ours)?;
            let at_client = mean(&client, theirs)? * 1e3;
            ensure!(is_near(at_gateway, at_client), "{ours}: {at_gateway}, client {at_client}");
            let (of_all, of_vllm) = (mean(&all, ours)?, mean_between(histogram));
            say(&format!(
                "{ours}: gateway {at_gateway:.3}, client {at_client:.3}; of all {}: gateway {of_all:.3}, vLLM {of_vllm:.3}",
                all.len()
            ));
            let apart = of_all - of_vllm;
            let may = if ours == "ttft_ms" { SERVING_MS_MAX } else { 0.0 };
            ensure!(is_near(of_all, of_vllm) || (0.0..may).contains(&apart), "vLLM: {of_vllm}");
        }
        let gaps = mean_between([before.gaps, after.gaps]);
        let of_gateway = wait::until("the series", PATIENCE, || {
            let name = "llm_inter_token_latency_seconds";
            let count = self.series(&format!("{name}_count"))?;
            let expected = after.gaps.1 - before.gaps.1;
            ensure!(count == expected, "{count} gaps, and vLLM has {expected}");
            Ok(self.series(&format!("{name}_sum"))? / count * 1e3)
        })?;
        say(&format!("gaps: gateway {of_gateway:.3}, vLLM {gaps:.3}"));
        ensure!(is_near(of_gateway, gaps), "gaps: {of_gateway}, vLLM {gaps}");
        Ok(())
    }

    /// vLLM's counters, once so many more have finished; `None`: once nothing more happens.
    fn counters_when(&self, before: &Counters, finished: Option<f64>) -> Result<Counters> {
        let mut last = *before;
        wait::until("vLLM's counters", PATIENCE, || {
            let now = self.counters()?;
            let is_steady = now.generated == last.generated && now.generated > before.generated;
            last = now;
            match finished {
                None => ensure!(is_steady, "it still works"),
                Some(count) => {
                    let finished = now.finished - before.finished;
                    ensure!(finished == count, "{finished} of {count} finished");
                }
            }
            Ok(now)
        })
    }

    fn counts_agree(&self) -> Result<()> {
        let (before, recorded) = (self.counters()?, self.recorded()?);
        let mut used = Vec::new();
        for prompt in ["Hello", "Name three colours.", "What is the sea?", "Count to five."] {
            used.push(chat(&self.gateway, prompt, 12)?);
            used.push(chat_streamed(&self.gateway, prompt, 20)?);
        }
        // What vLLM refuses it does not count.
        let wrong = json!({"model": "none", "messages": [{"role": "user", "content": "x"}]});
        ensure!(http::post_json(&self.gateway, CHAT, &wrong)?.status == 404);
        let sum: e2e::Usage = used.iter().copied().sum();
        let after = self.counters_when(&before, Some(used.len() as f64))?;
        wait::until("the gateway's counts", PATIENCE, || {
            let now = self.recorded()?;
            let ours = [now.0 - recorded.0, now.1 - recorded.1, now.2 - recorded.2];
            let theirs = [
                after.finished - before.finished,
                after.prompt - before.prompt,
                after.generated - before.generated,
            ];
            let told = [used.len() as f64, sum.prompt as f64, sum.generated as f64];
            ensure!(ours == theirs && ours == told, "{ours:?}, vLLM {theirs:?}, answers {told:?}");
            say(&format!("requests, prompt and generated tokens: {ours:?}, as vLLM counted"));
            Ok(())
        })?;
        self.records("outcome:upstream_error status:404", 1).map(drop)
    }

    /// Requests that went well, prompt tokens, generated tokens: the gateway's series.
    fn recorded(&self) -> Result<(f64, f64, f64)> {
        let at = "source=\"gateway\",engine=\"vllm\",outcome=\"ok\"";
        let requests = self
            .modelwatch
            .value(&format!("sum(llm_requests_total{{{at},model=\"{MODEL_ALIAS}\"}})"))?;
        let prompt = self.series("llm_prompt_tokens_total")?;
        Ok((requests, prompt, self.series("llm_generation_tokens_total")?))
    }

    fn first_logprobs_are_cold(&self) -> Result<()> {
        let body = json!({
            "model": MODEL_ALIAS, "max_tokens": 6, "stream": true, "logprobs": true, "top_logprobs": 5,
            "messages": [{"role": "user", "content": "What is the capital of France?"}],
        });
        for _ in 0..2 {
            ensure!(http::post_json(&self.gateway, CHAT, &body)?.status == 200);
        }
        let found = self.records("parameters.logprobs:true", 2)?;
        let [second, first] = found.as_slice() else { return Ok(()) };
        say(&format!(
            "with logprobs: first {} ms, second {} ms",
            first["ttft_ms"], second["ttft_ms"]
        ));
        ensure!(first["is_cold"] == true && second["is_cold"] == false, "{found:?}");
        wait::until("the series", PATIENCE, || {
            ensure!(self.series("llm_requests_cold_total")? == 1.0);
            Ok(())
        })
    }

    /// Where the two count other things.
    fn known_differences(&self) -> Result<()> {
        let before = self.counters()?;
        let body = json!({
            "model": MODEL_ALIAS, "max_tokens": 8, "n": 2, "ignore_eos": true,
            "messages": [{"role": "user", "content": "Hello"}],
        });
        ensure!(http::post_json(&self.gateway, CHAT, &body)?.status == 200);
        let after = self.counters_when(&before, Some(2.0))?;
        let record = &self.records("parameters.n:2", 1)?[0];
        let [prompt, generated] =
            [after.prompt - before.prompt, after.generated - before.generated];
        say(&format!(
            "two choices: gateway 1 request, {} prompt, {} generated; vLLM 2, {prompt}, {generated}",
            record["tokens_input"], record["tokens_output"]
        ));
        ensure!(record["tokens_output"].as_f64() == Some(generated), "{record}");

        let before = self.counters()?;
        let body = json!({
            "model": MODEL_ALIAS, "max_tokens": 1500, "ignore_eos": true, "stream": true,
            "messages": [{"role": "user", "content": "Tell me a long story."}],
        })
        .to_string();
        let mut stream = TcpStream::connect(&self.gateway)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        stream.write_all(
            format!(
                "POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )?;
        let (mut text, mut buffer) = (String::new(), [0; 4_096]);
        while text.matches("\"content\":").count() < 8 {
            let count = stream.read(&mut buffer)?;
            ensure!(count > 0, "it ended: {text}");
            text.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()));
        }
        drop(stream);
        let record = &self.records("outcome:client_abort", 1)?[0];
        let after = self.counters_when(&before, None)?;
        let generated = after.generated - before.generated;
        say(&format!(
            "left midway: gateway {} generated ({} exact), vLLM {generated}, finished {}",
            record["tokens_output"],
            record["is_exact"],
            after.finished - before.finished
        ));
        ensure!(record["is_exact"] == false && generated < 1_500.0, "{record}");
        ensure!(record["tokens_output"].as_f64().is_some_and(|seen| seen <= generated), "{record}");
        Ok(())
    }
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= APART_MS.max(other * APART_SHARE)
}

/// Of a member of each.
fn mean(objects: &[Value], name: &str) -> Result<f64> {
    let values = objects.iter().map(|one| one[name].as_f64().context(name.to_owned()));
    let values = values.collect::<Result<Vec<_>>>()?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// Milliseconds per observation between two looks at the sum and the count of a histogram.
fn mean_between([before, after]: [(f64, f64); 2]) -> f64 {
    (after.0 - before.0) / (after.1 - before.1) * 1e3
}
