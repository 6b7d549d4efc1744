//! A backend that serves one finished job and records the requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRequest {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

/// Answers requests until the test's process ends.
pub(crate) struct Backend {
    address: String,
    asked: Arc<Mutex<Vec<RecordedRequest>>>,
}

/// The job that it serves.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) error: Option<&'static str>,
    pub(crate) stats: Value,
    pub(crate) snapshots: Vec<Value>,
}

impl Backend {
    pub(crate) fn start(job: Job) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &job, &kept);
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<RecordedRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn serve(mut stream: TcpStream, job: &Job, kept: &Mutex<Vec<RecordedRequest>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let (mut authorization, mut length) = (None, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "authorization" => authorization = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let polls = {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let body = serde_json::from_slice(&body).unwrap_or_default();
        kept.push(RecordedRequest {
            line: line.clone(),
            authorization,
            body,
        });
        let status = format!("GET /api/prompt-learning/online/jobs/{}", job.id);
        kept.iter().filter(|asked| asked.line == status).count()
    };
    let (status, answer) = answer(&line, job, polls);
    let text = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .unwrap();
}

fn answer(line: &str, job: &Job, polls: usize) -> (u16, Value) {
    let jobs = "/api/prompt-learning/online/jobs";
    let own = format!("GET {jobs}/{}", job.id);
    if line == format!("POST {jobs}") {
        return (201, json!({"job_id": job.id, "status": "queued"}));
    }
    let Some(rest) = line.strip_prefix(&own) else {
        return (404, json!({"error": "no such thing"}));
    };
    match rest {
        // The job runs at the first poll and has ended at the second.
        "" if polls < 2 => (
            200,
            json!({"job_id": job.id, "status": "running", "metadata": {}}),
        ),
        "" => (
            200,
            json!({
                "job_id": job.id,
                "status": job.status,
                "error": job.error,
                "finished_at": "2026-01-02T03:04:05Z",
                "metadata": {"stats": job.stats},
            }),
        ),
        "/artifacts" => {
            let row =
                |snapshot: &Value| json!({"snapshot_id": snapshot["snapshot_id"], "label": "x"});
            // Newest first, since the API promises no order.
            (200, job.snapshots.iter().rev().map(row).collect())
        }
        _ if rest.starts_with("/events?since_seq=0") => {
            let data = json!({"rollouts_completed": 5, "rollouts_total": 150, "trials_tried": 2, "best_score": 0.25, "eta_seconds": 9.0});
            let event =
                json!({"seq": 1, "type": "prompt.learning.progress", "message": "m", "data": data});
            (
                200,
                json!({"events": [event], "has_more": false, "next_seq": 1}),
            )
        }
        _ if rest.starts_with("/events") => {
            (200, json!({"events": [], "has_more": false, "next_seq": 1}))
        }
        _ => {
            let wanted = rest.strip_prefix("/snapshots/").unwrap_or_default();
            let found = job
                .snapshots
                .iter()
                .find(|snapshot| snapshot["snapshot_id"] == wanted);
            found.map_or((404, json!({})), |snapshot| (200, snapshot.clone()))
        }
    }
}
