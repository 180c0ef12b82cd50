//! `cargo xtask WORD`; the words are in the library beside this file.

fn main() -> std::process::ExitCode {
    xtask::main()
}
