//! A run without a store: others fetch what it collects.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Modelwatch, PATIENCE};
use xtask::{
    http::{self, Request},
    wait,
};

#[test]
fn an_agent_collects_answers_and_keeps_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut agent = Modelwatch::start_agent(folder.path(), "")?;
    let text = wait::until("the host on /metrics", PATIENCE, || {
        let text = agent.get("/metrics")?.text();
        ensure!(text.contains("\nnode_load1 "), "no load in\n{text:.2000}");
        Ok(text)
    })?;
    for expected in [
        "# TYPE node_load1 gauge\n",
        "\nnode_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} ",
        "\nmodelwatch_build_info{",
        "\nmodelwatch_source_up{collector=\"host.cpu\"} 1\n",
        "\nmodelwatch_samples_refused_total{reason=\"series_limit\"} 0\n",
    ] {
        ensure!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    ensure!(!text.contains("modelwatch_store_"), "it has no store");
    let sources = agent.json("/api/v1/sources")?;
    let found = sources["sources"].as_array().into_iter().flatten();
    ensure!(found.clone().any(|source| source["name"] == "host.cpu"), "{sources}");
    ensure!(found.clone().all(|source| source["name"] != "storage"), "{sources}");
    ensure!(agent.json("/api/v1/engines")?["engines"].is_array());
    ensure!(agent.json("/api/v1/events")?["events"].is_array());
    let missing = agent.get("/api/v1/query?query=up")?;
    ensure!(missing.status == 404 && missing.text().contains("/metrics"), "{}", missing.status);
    let headers = &[("Host", "evil.example")];
    let request =
        Request { method: "GET", path: "/metrics", headers, body: b"", timeout: PATIENCE };
    ensure!(http::send(&agent.address, &request)?.status == 421, "answered under another name");
    ensure!(agent.terminate(Duration::from_secs(5))?.success(), "{}", agent.log());
    ensure!(!folder.path().join("data").exists(), "an agent made a data directory");
    Ok(())
}

/// What a small installation would do: one program keeps what another one reads.
#[test]
fn another_modelwatch_scrapes_an_agent() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let agent_folder = folder.path().join("agent");
    std::fs::create_dir(&agent_folder)?;
    let agent = Modelwatch::start_agent(&agent_folder, "[collect]\ndiscover = false\n")?;
    let more = format!(
        "[collect]\ndiscover = false\n[[scrape]]\njob = \"agents\"\ntargets = [\"{}\"]\n\
         interval = \"1s\"\nhonor_labels = true\n",
        agent.address
    );
    let hub = Modelwatch::start(folder.path(), &more)?;
    wait::until("the agent's samples", PATIENCE, || {
        for query in [
            format!("up{{job=\"agents\",instance=\"{}\"}} == 1", agent.address),
            format!("node_load1{{job=\"agents\",instance=\"{}\"}}", agent.address),
            "modelwatch_build_info{job=\"agents\"}".to_owned(),
        ] {
            ensure!(hub.query(&query)?.len() == 1, "{query}");
        }
        Ok(())
    })
}
