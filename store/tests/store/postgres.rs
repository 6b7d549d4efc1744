//! Stores in PostgreSQL, directly and through a pooler in transaction mode. `tests/servers/postgres.sh`
//! starts the servers and says where they are.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gepa_engine::Store;
use gepa_postgres::PostgresStore;

/// The variables with the URLs of the servers.
const SERVERS: [&str; 2] = ["GEPA_TEST_POSTGRES", "GEPA_TEST_PGBOUNCER"];

/// A URL for each way to reach the server, with a new schema each; none if there is no server.
pub(crate) fn urls() -> Vec<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut urls = Vec::new();
    for variable in SERVERS {
        let Ok(server) = std::env::var(variable) else {
            let mut out = std::io::stderr();
            writeln!(out, "SKIPPED: {variable} is not set, no server to test").unwrap();
            continue;
        };
        let schema = || {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            format!("t{}_{number}", std::process::id())
        };
        urls.push(format!("{server}?schema={}&connections=4", schema()));
        if variable == SERVERS[0] {
            urls.push(format!("{server}?schema={}&prepare=true", schema()));
        }
    }
    urls
}

/// A new store for each way to reach the server.
pub(crate) async fn stores() -> Vec<Arc<dyn Store>> {
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for url in urls() {
        stores.push(Arc::new(PostgresStore::open(&url).await.unwrap()));
    }
    stores
}
