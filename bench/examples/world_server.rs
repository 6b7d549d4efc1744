//! Serves simulated worlds over loopback. Prints the address and serves until it is killed.
//!
//! `cargo run --release -p gepa-bench --example world_server -- --listen 127.0.0.1:0`

#![expect(clippy::print_stdout, reason = "it prints its address")]

use std::net::SocketAddr;

use gepa_bench::worlds::WorldServer;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address: SocketAddr = match arguments.as_slice() {
        [] => SocketAddr::from(([127, 0, 0, 1], 0)),
        [flag, address] if flag == "--listen" => address.parse()?,
        _ => return Err("usage: world_server [--listen ADDRESS:PORT]".into()),
    };
    let server = WorldServer::start_on(address).await?;
    println!("listening on http://{}", server.address());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
