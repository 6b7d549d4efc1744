//! Clients that flood the server, stall, never read, or request data of other jobs, while a job
//! runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::serving::{JOBS, SERVER_KEY, Serving, World, check_books, is_over};

const STREAMS: usize = 200;
/// Well above the memory of a debug build, and far below that of buffered unread streams.
const MOST_MEMORY_KIB: u64 = 600 * 1024;

/// How long the test waits for a server that neither reads nor answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection on which a request was sent and no answer was read.
fn asking(server: &Serving, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // The server may refuse a flood half-way, and then the rest cannot be written.
    let _ = stream.write_all(text.as_bytes());
    stream
}

fn with_key(line: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {SERVER_KEY}\r\n")
}

/// The status of the answer; `None` if the connection was closed instead.
fn status(mut stream: TcpStream) -> Option<u16> {
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}

fn resident_kib(server: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

fn event_stream(server: &Serving, job: &str) -> TcpStream {
    let line = format!("GET {JOBS}/{job}/events/stream");
    asking(server, &(with_key(&line) + "connection: close\r\n\r\n"))
}

fn read_to_the_end(mut stream: TcpStream) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
}

#[test]
fn unread_streams_and_stalled_requests_cost_little_and_stop_nobody() {
    let world = World::new();
    let server = world.serve();
    let job = server.submit(&world.submission(120));
    let before = resident_kib(&server);
    let mut readers = Vec::new();
    let mut unread = Vec::new();
    for number in 0..STREAMS {
        let stream = event_stream(&server, &job);
        if number % 2 == 0 {
            readers.push(read_to_the_end(stream));
        } else {
            unread.push(stream);
        }
    }
    let post = with_key(&format!("POST {JOBS}")) + "content-length: 4000000\r\n\r\n{";
    let stalled: Vec<TcpStream> = (0..100).map(|_| asking(&server, &post)).collect();
    let half_heads: Vec<TcpStream> = (0..100)
        .map(|_| asking(&server, "GET /health HTTP/1.1\r\nho"))
        .collect();

    let detail = server.until(&job, is_over);
    check_books(&world, &detail);
    for reader in readers {
        let text = reader.join().unwrap();
        assert!(text.contains("prompt.learning.gepa.complete"), "{text}");
    }
    let memory = resident_kib(&server);
    assert!(memory < MOST_MEMORY_KIB, "{before} KiB became {memory} KiB");
    drop((unread, stalled, half_heads));
    server.terminate();
}

#[test]
fn floods_are_refused_and_the_server_goes_on() {
    let world = World::new();
    let server = world.serve();
    let many_headers = "x-flood: y\r\n".repeat(20_000);
    let flood = with_key("GET /api/artifacts") + &many_headers + "\r\n";
    let answered = status(asking(&server, &flood));
    assert!(matches!(answered, None | Some(400..=499)), "{answered:?}");
    let long_path = with_key(&format!("GET /{}", "a".repeat(1_000_000))) + "\r\n";
    let answered = status(asking(&server, &long_path));
    assert!(matches!(answered, None | Some(400..=499)), "{answered:?}");
    let large = with_key(&format!("POST {JOBS}")) + "content-length: 99000000\r\n\r\n";
    let answered = status(asking(&server, &(large + &"x".repeat(5 << 20))));
    assert!(matches!(answered, None | Some(400..=499)), "{answered:?}");
    let endless = with_key(&format!("POST {JOBS}"))
        + "transfer-encoding: chunked\r\n\r\n"
        + &format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(100);
    let answered = status(asking(&server, &endless));
    assert!(matches!(answered, None | Some(400..=499)), "{answered:?}");
    let (health, _) = server.ask("GET", "/health", "");
    assert_eq!(health, 200);
    server.terminate();
}

#[test]
fn paths_lead_nowhere_else_and_other_jobs_keep_what_is_theirs() {
    let world = World::new();
    let server = world.serve();
    let first = server.submit(&world.submission(120));
    let detail = server.until(&first, is_over);
    let snapshot = detail["best_snapshot_id"].as_str().unwrap().to_owned();
    let second = server.submit(&world.submission(120));
    server.until(&second, is_over);
    let (own, _) = server.ask("GET", &format!("{JOBS}/{first}/snapshots/{snapshot}"), "");
    let (other, _) = server.ask("GET", &format!("{JOBS}/{second}/snapshots/{snapshot}"), "");
    assert_eq!((own, other), (200, 404));
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.gepa/gepa.db",
        "//etc/passwd",
        "/pl_0123456789abcdef%00/events",
        "/pl_..%2f..%2fetc%2fpasswd/snapshots/x",
        "/pl_0123456789abcdef/snapshots/..%2f..%2fpl_x",
        "/%ff%fe/events",
        "/pl_0123456789abcdef/events?since_seq=-1",
        "/pl_0123456789abcdef/events?limit=99999999999999999999",
    ] {
        let (status, answer) = server.ask("GET", &format!("{JOBS}{path}"), "");
        assert!((400..500).contains(&status), "{path}: {status} {answer}");
        assert!(answer["error"].is_string(), "{path}: {answer}");
    }
    server.terminate();
}
