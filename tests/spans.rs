//! Spans of runs, received by a small collector on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::{Server, Workspace, number};

/// A span as it arrived, with what these tests look at.
#[derive(Clone, Debug, Default)]
struct Received {
    id: Vec<u8>,
    parent: Vec<u8>,
    trace: Vec<u8>,
    name: String,
    start: u64,
    end: u64,
    attributes: BTreeMap<String, String>,
    events: Vec<String>,
}

/// Takes OTLP over HTTP and keeps the spans.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Received>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, spans }
    }

    fn spans(&self) -> Vec<Received> {
        self.spans.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut length, mut first) = (0, String::new());
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        for resource in messages(&body, 1) {
            for scope in messages(resource, 2) {
                let found = messages(scope, 2).into_iter().map(span);
                kept.lock().unwrap().extend(found);
            }
        }
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
    }
}

/// A field of a protobuf message: a number, or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut body: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !body.is_empty() {
        let tag = varint(&mut body);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut body)),
            1 => Field::Number(u64::from_le_bytes(take(&mut body, 8).try_into().unwrap())),
            2 => {
                let length = usize::try_from(varint(&mut body)).unwrap();
                Field::Bytes(take(&mut body, length))
            }
            5 => Field::Number(u64::from(u32::from_le_bytes(
                take(&mut body, 4).try_into().unwrap(),
            ))),
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn varint(body: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(body, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fn take<'a>(body: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = body.split_at(length);
    *body = rest;
    taken
}

fn messages(body: &[u8], wanted: u64) -> Vec<&[u8]> {
    let found = fields(body).into_iter();
    found
        .filter_map(|(number, field)| match field {
            Field::Bytes(bytes) if number == wanted => Some(bytes),
            _ => None,
        })
        .collect()
}

fn span(body: &[u8]) -> Received {
    let mut span = Received::default();
    for (number, field) in fields(body) {
        match (number, field) {
            (1, Field::Bytes(bytes)) => span.trace = bytes.to_vec(),
            (2, Field::Bytes(bytes)) => span.id = bytes.to_vec(),
            (4, Field::Bytes(bytes)) => span.parent = bytes.to_vec(),
            (5, Field::Bytes(bytes)) => span.name = text(bytes),
            (7, Field::Number(at)) => span.start = at,
            (8, Field::Number(at)) => span.end = at,
            (9, Field::Bytes(bytes)) => {
                let value = fields(messages(bytes, 2)[0]).remove(0);
                let value = match value {
                    (_, Field::Bytes(bytes)) => text(bytes),
                    (4, Field::Number(bits)) => f64::from_bits(bits).to_string(),
                    (_, Field::Number(number)) => number.to_string(),
                };
                span.attributes.insert(text(messages(bytes, 1)[0]), value);
            }
            (11, Field::Bytes(bytes)) => span.events.push(text(messages(bytes, 2)[0])),
            _ => {}
        }
    }
    span
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_run_is_one_trace_with_iterations_rollouts_and_calls() {
    let collector = Collector::start();
    let model = Server::start();
    let mut workspace = Workspace::with_model(&model.base_url(), 150);
    workspace.set_variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.address);
    workspace.succeed(&["run", "config.toml"]);
    let statistics = workspace.stats();
    let spans = collector.spans();
    let named =
        |name: &str| -> Vec<&Received> { spans.iter().filter(|span| span.name == name).collect() };
    let runs = named("gepa.run");
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].attributes["gepa.run.id"], statistics["run_id"]);
    let rollouts = named("gepa.rollout");
    assert_eq!(rollouts.len() as u64, number(&statistics, "total_rollouts"));
    assert!(
        rollouts
            .iter()
            .any(|span| span.events == ["gen_ai.evaluation.result"])
    );
    let by_id: BTreeMap<&[u8], &Received> = spans
        .iter()
        .map(|span| (span.id.as_slice(), span))
        .collect();
    for span in &spans {
        assert_eq!(span.trace, runs[0].trace);
        assert!(span.start <= span.end, "{span:?}");
        if span.name != "gepa.run" {
            assert!(by_id.contains_key(span.parent.as_slice()), "{span:?}");
        }
    }
    let calls = named("chat learner");
    let of_rollouts = |span: &&&Received| by_id[span.parent.as_slice()].name == "gepa.rollout";
    let sum = |calls: &[&Received], name: &str| -> u64 {
        calls
            .iter()
            .map(|span| span.attributes[name].parse::<u64>().unwrap())
            .sum()
    };
    let rollout_calls: Vec<&Received> = calls.iter().filter(of_rollouts).copied().collect();
    assert_eq!(
        sum(&rollout_calls, "gen_ai.usage.input_tokens"),
        number(&statistics, "rollouts_prompt_tokens")
    );
    assert_eq!(
        calls.len() - rollout_calls.len(),
        usize::try_from(number(&statistics, "reflection_calls")).unwrap()
    );
    assert_eq!(calls[0].attributes["gen_ai.operation.name"], "chat");
    assert_eq!(calls[0].attributes["gen_ai.provider.name"], "local");
    let iterations = named("gepa.iteration");
    assert!(
        iterations
            .iter()
            .all(|span| span.attributes.contains_key("gepa.outcome"))
    );
    assert!(!iterations.is_empty());
}

#[test]
fn a_run_goes_on_when_no_collector_answers() {
    let mut workspace = Workspace::with_rulebook();
    workspace.set_variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let notes = finished.stderr.matches("spans cannot be sent").count();
    assert_eq!(notes, 1, "{}", finished.stderr);
}

#[test]
fn nothing_is_sent_without_an_address() {
    let workspace = Workspace::with_rulebook();
    let finished = workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("spans"), "{}", finished.stderr);
}
