//! A NATS server of a test: in a folder of its own, on loopback, killed and started again at will.

use std::fmt;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::report_skip;

/// Names the program.
const VARIABLE: &str = "GEPA_NATS_SERVER";
const STARTING: Duration = Duration::from_secs(20);

/// A running server with JetStream. It ends, and its folder goes, when this is dropped.
pub struct NatsServer {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl NatsServer {
    /// Starts a server. `None`, after [`report_skip`], if `GEPA_NATS_SERVER` names no program.
    ///
    /// # Panics
    ///
    /// If the program does not start.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with further arguments.
    ///
    /// # Panics
    ///
    /// If the program does not start.
    pub fn start_with(arguments: &[&str]) -> Option<Self> {
        let Some(program) = std::env::var_os(VARIABLE) else {
            report_skip(&format!(
                "no NATS server; set {VARIABLE} to the program that tests/servers/nats.sh installs"
            ));
            return None;
        };
        let program = PathBuf::from(program);
        let folder = TempDir::new().expect("a folder can be made");
        let port = free_port();
        let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
        let child = spawn(&program, &folder, port, &arguments);
        let server = Self {
            program,
            folder,
            port,
            arguments,
            child,
        };
        server.wait_until_it_answers();
        Some(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on its folder and port.
    ///
    /// # Panics
    ///
    /// If the program does not start.
    pub fn start_again(&mut self) {
        self.kill();
        self.child = spawn(&self.program, &self.folder, self.port, &self.arguments);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < STARTING, "the NATS server does not start");
            sleep(Duration::from_millis(20));
        }
    }
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NatsServer")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &PathBuf, folder: &TempDir, port: u16, arguments: &[String]) -> Child {
    Command::new(program)
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .args(["--jetstream", "--store_dir"])
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program that GEPA_NATS_SERVER names can be started")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
