//! Endpoints that are no engines, or bad ones.

use anyhow::{Result, ensure};
use e2e::{Hostile, Modelwatch, NOTICED, PATIENCE, serve_hostile};
use xtask::wait;

const MANNERS: [Hostile; 5] =
    [Hostile::Garbage, Hostile::Silent, Hostile::Gigabyte, Hostile::Drip, Hostile::Nonsense];

#[test]
fn hostile_endpoints_are_survived_and_reported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut addresses = Vec::new();
    for manner in MANNERS {
        addresses.push((manner, serve_hostile(manner)?));
    }
    let engines: String = addresses
        .iter()
        .map(|(_, address)| format!("[[engine]]\nurl = \"http://{address}\"\nkind = \"vllm\"\n"))
        .collect();
    let mut modelwatch = Modelwatch::start(folder.path(), &engines)?;
    for (manner, address) in &addresses {
        wait::until(&format!("{manner:?} in the list"), NOTICED + NOTICED, || {
            let source = modelwatch.source(address)?;
            ensure!(source["state"] == "failing", "{manner:?}: {source}");
            let code = source["failure"]["code"].as_str().unwrap_or_default();
            ensure!(code.starts_with("failure."), "{manner:?}: {source}");
            ensure!(source["hint"]["code"] != serde_json::Value::Null, "{manner:?}: {source}");
            Ok(())
        })?;
    }
    // They are asked again and again; neither time nor memory runs away.
    let resident = "modelwatch_process_resident_bytes";
    let rounds = "count_over_time(modelwatch_process_resident_bytes[1m])";
    wait::until("three readings of our own size", PATIENCE, || {
        ensure!(modelwatch.value(rounds)? >= 3.0);
        Ok(())
    })?;
    let bytes = modelwatch.value(resident)?;
    ensure!(bytes < 300e6, "{bytes} bytes resident");
    // Real engines of other tests may be found as well.
    let peers: Vec<&str> = addresses.iter().map(|(_, address)| address.as_str()).collect();
    let up = format!("llm_engine_up{{instance=~\"{}\"}} == 1", peers.join("|"));
    ensure!(modelwatch.query(&up)?.is_empty(), "a hostile peer counts as up");
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}
