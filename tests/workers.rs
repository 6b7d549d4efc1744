//! Runs whose rollouts workers execute: processes that are killed at random, with a real queue between.

use std::fs::File;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gepa_testing::{FaultPlan, Ledger, NatsServer};
use rustix::process::Signal;
use serde_json::Value;

use crate::crashes::books::{check_records, decisions, settled_calls};
use crate::support::{Finished, Running, Server, Workspace, is_reflection, number};

const ROLLOUTS: u64 = 180;
const LATENCY: Duration = Duration::from_millis(60);
const WORKERS: usize = 8;
const SLOTS: usize = 2;
/// No test waits longer.
const LONGEST: Duration = Duration::from_mins(2);

/// Worker processes. Those that are left are killed at the end.
struct Workers<'w> {
    workspace: &'w Workspace,
    queue: String,
    processes: Vec<Child>,
}

impl<'w> Workers<'w> {
    fn start(workspace: &'w Workspace, queue: &str, number: usize) -> Self {
        let mut workers = Self {
            workspace,
            queue: queue.to_owned(),
            processes: Vec::new(),
        };
        for _ in 0..number {
            workers.add();
        }
        workers
    }

    fn add(&mut self) {
        let slots = SLOTS.to_string();
        let arguments = [
            "worker",
            "--evaluator",
            "config.toml",
            "--queue",
            &self.queue,
            "--slots",
            &slots,
            "--lost-after",
            "1",
            "--deliveries",
            "50",
        ];
        let mut command = self.workspace.command(&arguments);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.workspace.path().join("workers.log"));
        self.processes.push(
            command
                .stderr(log.unwrap())
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        );
    }

    /// Kills one, as `kill -9` does, and starts another.
    fn replace(&mut self, place: usize) {
        let mut process = self.processes.remove(place);
        process.kill().unwrap();
        process.wait().unwrap();
        self.add();
    }

    fn log(&self) -> String {
        self.workspace.read("workers.log")
    }
}

impl Drop for Workers<'_> {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The events of a run in one process with this many slots.
fn alone(slots: u32) -> Vec<Value> {
    let server = Server::with(FaultPlan::none(), Duration::ZERO);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let slots = format!("run.max_concurrent={slots}");
    workspace.succeed(&["run", "config.toml", "--set", &slots]);
    workspace.export("events")
}

/// The decisions, without what the config says about slots and workers.
fn search(events: &[Value]) -> Vec<String> {
    let events = events.iter().filter(|event| event["kind"] != "run_started");
    decisions(&events.cloned().collect::<Vec<_>>())
}

fn queued(workspace: &Workspace, queue: &str) -> Running {
    let set = format!("workers.queue={queue}");
    workspace.start(&["run", "config.toml", "--set", &set])
}

fn resumed(workspace: &Workspace, run: &str) -> Running {
    workspace.start(&["run", "--resume", run])
}

fn check_books(server: &Server, workspace: &Workspace, events: &[Value], lost_at_most: u64) {
    check_records(workspace, events);
    let answered = server.ledger().calls_answered;
    let settled = settled_calls(events);
    assert!(
        answered >= settled,
        "{settled} calls settled, {answered} answered"
    );
    let lost = answered - settled;
    assert!(
        lost <= lost_at_most,
        "{lost} calls lost, at most {lost_at_most} were in flight"
    );
}

fn end(running: Running, workers: &Workers<'_>) -> Finished {
    let finished = running.wait();
    let code = finished.code;
    assert_eq!(code, Some(0), "{}\n{}", finished.stderr, workers.log());
    finished
}

fn is_running(running: &Running) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", running.id()))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn workers_that_die_at_random_lead_to_the_decisions_of_one_slot() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let expected = search(&alone(1));
    assert_eq!(search(&alone(8)), expected, "eight slots decide as one");
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let mut workers = Workers::start(&workspace, &queue.url(), WORKERS);
    let running = queued(&workspace, &queue.url());
    let begun = Instant::now();
    let mut kills = 0;
    while is_running(&running) && begun.elapsed() < LONGEST {
        sleep(Duration::from_millis(150));
        let place = (begun.elapsed().subsec_micros() as usize) % WORKERS;
        workers.replace(place);
        kills += 1;
    }
    end(running, &workers);
    let events = workspace.export("events");
    assert_eq!(search(&events), expected, "after {kills} kills");
    assert!(kills > 3, "{kills} kills");
    // A killed worker may have had a call in each slot, and a model call that it had just begun again.
    check_books(&server, &workspace, &events, kills * 2 * SLOTS as u64);
    let settled = workspace.export("rollouts").len();
    println!(
        "{kills} kills, {settled} rollouts, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

#[test]
fn a_run_and_a_queue_that_are_killed_go_on_with_what_workers_answered() {
    let Some(mut queue) = NatsServer::start() else {
        return;
    };
    let expected = search(&alone(1));
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let workers = Workers::start(&workspace, &queue.url(), 2);
    let mut running = queued(&workspace, &queue.url());
    let run = running.run.clone();
    for round in 0_u32..3 {
        let wanted = u64::from(round + 1) * 40;
        server.wait_until(|ledger| ledger.calls_answered >= wanted);
        running.signal(Signal::KILL);
        running.wait();
        if round == 1 {
            queue.start_again();
        }
        running = resumed(&workspace, &run);
    }
    sleep(Duration::from_millis(200));
    queue.kill();
    sleep(Duration::from_millis(300));
    queue.start_again();
    end(running, &workers);
    let events = workspace.export("events");
    assert_eq!(search(&events), expected);
    // Answers to the killed process are used; its reflections were made in the process and are lost.
    check_books(&server, &workspace, &events, 4 * 8 + 3 * 8);
}

#[test]
fn reflections_whose_workers_are_killed_are_neither_lost_nor_doubled() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let expected = search(&alone(1));
    let server = Server::with_slow_reflections(Duration::from_millis(500));
    let workspace = Workspace::with_model(&server.base_url(), ROLLOUTS);
    let config = workspace.read("config.toml");
    workspace.write(
        "config.toml",
        &format!("{config}\n[workers]\nreflections = true\n"),
    );
    let mut workers = Workers::start(&workspace, &queue.url(), 2);
    let running = queued(&workspace, &queue.url());
    let asked = |ledger: &Ledger| {
        ledger
            .recent
            .iter()
            .filter(|call| is_reflection(call))
            .count()
    };
    for round in 1..=4 {
        server.wait_until(|ledger| asked(ledger) >= 2 * round - 1 && ledger.in_flight > 0);
        // One of them has the call in hand.
        for _ in 0..2 {
            workers.replace(0);
        }
    }
    end(running, &workers);
    let events = workspace.export("events");
    assert_eq!(search(&events), expected);
    check_records(&workspace, &events);
    let settled = events
        .iter()
        .filter(|event| event["kind"] == "reflection_settled");
    let settled = settled.count();
    let asked = asked(&server.ledger());
    println!("{settled} reflections, {asked} requested");
    assert!(
        asked > settled,
        "{asked} requested, {settled} settled: no kill hit one"
    );
    // A killed worker may have had a call in each slot.
    assert!(
        asked <= settled + 4 * 2 * SLOTS,
        "{asked} requested, {settled} settled"
    );
}

#[test]
fn a_run_says_which_worker_it_waits_for_and_a_worker_which_run_it_does_not_fit() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 60);
    let other = Workspace::with_model(&server.base_url(), 60);
    let rows = other.read("rows.jsonl").replacen("\"yes\"", "\"no\"", 1);
    other.write("rows.jsonl", &rows.replacen("\"no\"", "\"yes\"", 1));
    let misfits = Workers::start(&other, &queue.url(), 1);
    let set = format!("workers.queue={}", queue.url());
    let outage = "workers.outage_seconds=6";
    let waited = workspace.gepa(&["run", "config.toml", "--set", &set, "--set", outage]);
    assert_eq!(waited.code, Some(6), "{}", waited.stderr);
    for words in [
        "a worker that offers `dataset`",
        "gepa worker --evaluator",
        "1 of that name cannot be used; what differs: rows",
    ] {
        assert!(waited.stderr.contains(words), "{words}: {}", waited.stderr);
    }
    let log = misfits.log();
    assert!(log.contains("what differs: rows"), "{log}");
    assert!(log.contains("none of that run's rollouts"), "{log}");
    assert_eq!(server.ledger().calls_answered, 0);

    let fitting = Workers::start(&workspace, &queue.url(), 1);
    let resumed = resumed(&workspace, "latest");
    end(resumed, &fitting);
    assert!(number(&workspace.stats(), "total_rollouts") > 40);
}

#[test]
fn a_worker_that_is_asked_to_end_ends_what_it_has() {
    let Some(queue) = NatsServer::start() else {
        return;
    };
    let server = Server::with(FaultPlan::none(), LATENCY);
    let workspace = Workspace::with_model(&server.base_url(), 120);
    let mut workers = Workers::start(&workspace, &queue.url(), 2);
    let running = queued(&workspace, &queue.url());
    server.wait_until(|ledger| ledger.calls_answered >= 20);
    let leaver = &mut workers.processes[0];
    let id = rustix::process::Pid::from_raw(i32::try_from(leaver.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    assert!(leaver.wait().unwrap().success());
    end(running, &workers);
    assert!(workers.log().contains("ending the rollouts in hand"));
    let events = workspace.export("events");
    check_books(&server, &workspace, &events, 0);
}

#[test]
fn a_queue_that_cannot_be_used_is_named_with_the_remedy() {
    let server = Server::start();
    let workspace = Workspace::with_model(&server.base_url(), 60);
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let finished = workspace.gepa(arguments);
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        for word in words {
            assert!(
                finished.stderr.contains(word),
                "{word}: {}",
                finished.stderr
            );
        }
        assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
    };
    let worker = ["worker", "--evaluator", "config.toml"];
    refused(&worker, 2, &["no queue is named", "--queue nats://"]);
    let unreachable = [&worker[..], &["--queue", "nats://127.0.0.1:9"]].concat();
    refused(
        &unreachable,
        6,
        &[
            "no queue answers at nats://127.0.0.1:9",
            "nats-server --jetstream",
        ],
    );
    let set = "workers.queue=nats://me:secret@127.0.0.1:9";
    refused(
        &["run", "config.toml", "--set", set],
        2,
        &["workers.queue", "GEPA_QUEUE_PASSWORD"],
    );
    let Some(locked) = NatsServer::start_with(&["--user", "gepa", "--pass", "right"]) else {
        return;
    };
    let set = format!("workers.queue={}", locked.url());
    refused(
        &["run", "config.toml", "--set", &set],
        2,
        &["refuses these credentials", "GEPA_QUEUE_USER"],
    );
    let mut allowed = Workspace::with_model(&server.base_url(), 60);
    allowed.set_variable("GEPA_QUEUE_USER", "gepa");
    allowed.set_variable("GEPA_QUEUE_PASSWORD", "right");
    let workers = Workers::start(&allowed, &locked.url(), 1);
    end(queued(&allowed, &locked.url()), &workers);
}
