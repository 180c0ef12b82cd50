//! Embeds the built page, if there is one: `ui/dist/**/*.gz` becomes a table of bytes.
//!
//! It never runs npm: building the page is `cargo xtask run`'s work. Without a built page the small
//! one in `assets/mini` is served, so that `cargo run` alone is useful too.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let dist = root.join("../../ui/dist");
    let mut files = Vec::new();
    println!("cargo::rerun-if-changed={}", dist.display());
    if dist.join("index.html.gz").is_file() {
        collect(&dist, &dist, &mut files)?;
    } else {
        println!("cargo::warning=ui/dist is not built: the binary will serve its small page");
    }
    files.sort();
    let mut table = String::from("pub(super) static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        table.push_str(&format!("    ({name:?}, include_bytes!({path:?})),\n"));
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("page.rs"), table)
}

/// Collects (name without `.gz`, absolute path) of every compressed file below `folder`.
fn collect(dist: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(dist, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "gz") {
            let relative = path.strip_prefix(dist).unwrap_or(&path).with_extension("");
            files.push((relative.to_string_lossy().replace('\\', "/"), path.canonicalize()?));
        }
    }
    Ok(())
}
