//! Prints the JSON schema of config files, derived from the types of the settings:
//!
//! `cargo run -p gepa-configs --example schema > configs/gepa.schema.json`

use std::io::Write;

fn main() -> std::io::Result<()> {
    let schema = gepa_configs::derive_config_schema()?;
    std::io::stdout().write_all(schema.as_bytes())
}
