//! Compiles `proto/` with protox, a compiler in Rust, so no protoc is needed.

use std::{env, error::Error, fs, path::Path};

use prost::Message as _;

const PROTOS: [&str; 4] = [
    "sso/idp/v1/keys.proto",
    "sso/idp/v1/sessions.proto",
    "sso/idp/v1/token_exchange.proto",
    "sso/inventory/v1/inventory.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = protox::compile(PROTOS, [&root])?;
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("sso.bin"), files.encode_to_vec())?;
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        // These messages contain tokens; lib.rs implements a Debug that hides them.
        .skip_debug([
            ".sso.idp.v1.ExchangeRequest",
            ".sso.idp.v1.ExchangeResponse",
        ])
        .compile_fds(files)?;
    Ok(())
}
