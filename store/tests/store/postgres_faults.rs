//! What can go wrong with a database server: lost claims, cut connections, foreign schemas, texts that
//! it cannot hold.

use std::sync::Arc;
use std::time::Duration;

use gepa_engine::record::RunRow;
use gepa_engine::{RunId, Seq, Store, StoreError, TrialKey};
use gepa_evaluation::{FailureKind, Outcome, Stage};
use gepa_postgres::PostgresStore;
use gepa_store::rebuild;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_postgres::NoTls;

use crate::everything::{append, everything};
use crate::postgres::urls;
use crate::script::{RUN, journal, number, rollout, run_row, started, text, trial};

/// The server's URL and the schema of a store's URL.
fn parts(url: &str) -> (&str, &str) {
    let (server, query) = url.split_once('?').unwrap();
    let schema = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("schema="));
    (server, schema.unwrap())
}

/// Executes SQL beside the store.
pub(crate) async fn execute(url: &str, sql: &str) {
    let (server, schema) = parts(url);
    let (client, connection) = tokio_postgres::connect(server, NoTls).await.unwrap();
    let serving = tokio::spawn(connection);
    client
        .batch_execute(&sql.replace("{s}", schema))
        .await
        .unwrap();
    drop(client);
    let _ = serving.await;
}

#[tokio::test]
async fn texts_with_u0000_read_back_the_same() {
    for url in urls() {
        let store = PostgresStore::open(&url).await.unwrap();
        let run: RunId = RUN.parse().unwrap();
        let created = RunRow {
            name: "a\0b\u{1}0".to_owned(),
            policy_model: "\u{1}".to_owned(),
            ..run_row(RUN)
        };
        store.create_run(created.clone()).await.unwrap();
        assert_eq!(store.run(&run).await.unwrap(), created);
        let (key, candidate) = (
            TrialKey {
                iteration: 0,
                index: 0,
            },
            text("say \0 and \u{1}1"),
        );
        let failed = Outcome::failed(FailureKind::Permanent, "it said \0\u{1}\0");
        let bodies = vec![
            journal()[0].body.clone(),
            started(key, Stage::Pareto, &candidate, 0),
            rollout(key, Stage::Pareto, &candidate, 0, failed),
        ];
        let events = number(1, bodies);
        append(&store, &run, Seq(0), Arc::clone(&events))
            .await
            .unwrap();
        let found = everything(&store, &run).await;
        assert_eq!(found.events, *events);
        assert_eq!(
            found.rollouts[0].error.as_deref(),
            Some("it said \0\u{1}\0")
        );
        assert_eq!(rebuild(&store, &run).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_claim_that_expired_is_taken_over_and_its_holder_writes_no_more() {
    for url in urls() {
        let stores = [
            PostgresStore::open(&url).await.unwrap(),
            PostgresStore::open(&url).await.unwrap(),
        ];
        let run: RunId = RUN.parse().unwrap();
        stores[0].create_run(run_row(RUN)).await.unwrap();
        let old = stores[0].claim(&run).await.unwrap();
        let events = journal();
        let first: Arc<_> = events[..5].into();
        stores[0].append(old.token(), Seq(0), first).await.unwrap();
        let refused = stores[1].claim(&run).await;
        assert!(
            matches!(refused, Err(StoreError::Claimed { .. })),
            "{refused:?}"
        );

        execute(&url, "UPDATE {s}.claims SET until = '-infinity'").await;
        let new = stores[1].claim(&run).await.unwrap();
        assert!(old.token().number < new.token().number);
        // The holder gets a notice when its claim is renewed next, without an append.
        assert!(matches!(old.lost().await, StoreError::ClaimLost { .. }));
        let rest: Arc<_> = events[5..].into();
        let refused = stores[0]
            .append(old.token(), Seq(5), Arc::clone(&rest))
            .await;
        assert!(
            matches!(refused, Err(StoreError::ClaimLost { .. })),
            "{refused:?}"
        );
        drop(old);
        assert!(stores[1].is_claimed(&run).await.unwrap());
        stores[1].append(new.token(), Seq(5), rest).await.unwrap();
        assert_eq!(stores[1].events(&run, Seq(0), 999).await.unwrap(), *events);
        drop(new);
        assert!(!stores[1].is_claimed(&run).await.unwrap());
    }
}

#[tokio::test]
async fn a_reader_is_woken_by_an_append_of_another_process() {
    for url in urls() {
        let stores = [
            PostgresStore::open(&url).await.unwrap(),
            PostgresStore::open(&url).await.unwrap(),
        ];
        let run: RunId = RUN.parse().unwrap();
        stores[0].create_run(run_row(RUN)).await.unwrap();
        let end = Seq(journal().len() as u64);
        let reading = async {
            let mut last = Seq(0);
            while last < end {
                stores[1]
                    .wait_for_events(&run, last, Duration::from_mins(1))
                    .await;
                let page = stores[1].events(&run, last, 1_000).await.unwrap();
                last = page.last().map_or(last, |event| event.seq);
            }
        };
        let writing = async {
            let claim = stores[0].claim(&run).await.unwrap();
            for (after, event) in (0..).zip(journal().iter()) {
                let batch = Arc::new([event.clone()]);
                stores[0]
                    .append(claim.token(), Seq(after), batch)
                    .await
                    .unwrap();
            }
        };
        tokio::join!(reading, writing);
    }
}

/// Passes bytes on to the server until the connections are cut.
async fn cuttable(server: String) -> (std::net::SocketAddr, watch::Sender<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cut = watch::Sender::new(0);
    let cutting = cut.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (server, mut cut) = (server.clone(), cutting.subscribe());
            cut.mark_unchanged();
            tokio::spawn(async move {
                let mut upstream = TcpStream::connect(&server).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut upstream) => {}
                    _ = cut.changed() => {}
                }
            });
        }
    });
    (address, cut)
}

/// Connections are cut at any instant, between statements and within commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_over_connections_that_are_cut_are_written_once() {
    for url in urls() {
        let (server, query) = url.split_once('?').unwrap();
        let host = server.split_once('@').unwrap().1.split_once('/').unwrap().0;
        let (address, cut) = cuttable(host.to_owned()).await;
        let cut_url = format!("{}?{query}", server.replace(host, &address.to_string()));
        let run: RunId = RUN.parse().unwrap();
        let direct = PostgresStore::open(&url).await.unwrap();
        direct.create_run(run_row(RUN)).await.unwrap();
        let store = PostgresStore::open(&cut_url).await.unwrap();
        let claim = store.claim(&run).await.unwrap();
        let cuts = tokio::spawn(async move {
            for pause in 0..60_u64 {
                // Different pauses meet different statements.
                tokio::time::sleep(Duration::from_micros(3_000 + pause * 1_700)).await;
                cut.send_modify(|cuts| *cuts += 1);
            }
        });
        let mut batches = 0;
        while !cuts.is_finished() || batches < 20 {
            let key = TrialKey {
                iteration: batches,
                index: 0,
            };
            let bodies = trial(key, Stage::Pareto, &text("a"), &[1.0; 3]);
            let size = bodies.len() as u64;
            let events = number(batches * size + 1, bodies);
            store
                .append(claim.token(), Seq(batches * size), events)
                .await
                .unwrap();
            batches += 1;
        }
        cuts.await.unwrap();
        let stored = direct.run(&run).await.unwrap().summary;
        assert_eq!(stored.counters.total_rollouts, batches * 3);
        assert_eq!(rebuild(&direct, &run).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_foreign_schema_and_a_newer_format_are_refused_with_what_to_do() {
    for url in urls() {
        execute(
            &url,
            "CREATE SCHEMA {s}; CREATE TABLE {s}.songs (title text)",
        )
        .await;
        let error = PostgresStore::open(&url).await.unwrap_err().to_string();
        assert!(
            error.contains("another program") && error.contains("?schema="),
            "{error}"
        );
    }
    for url in urls() {
        let error = PostgresStore::open_existing(&url)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("no runs yet"), "{error}");
        drop(PostgresStore::open(&url).await.unwrap());
        drop(PostgresStore::open_existing(&url).await.unwrap());
        execute(&url, "UPDATE {s}.format SET newest = 99").await;
        for opened in [
            PostgresStore::open(&url).await,
            PostgresStore::open_existing(&url).await,
        ] {
            assert!(matches!(
                opened,
                Err(StoreError::NewerFormat { found: 99, .. })
            ));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_start_at_once_migrate_once() {
    for url in urls() {
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { PostgresStore::open(&url).await.map(drop) })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn a_changed_row_is_found_and_repaired() {
    for url in urls() {
        let store = PostgresStore::open(&url).await.unwrap();
        let run = crate::conformance::scripted(&store).await;
        for sql in [
            "UPDATE {s}.rollouts SET score = 0.99 WHERE seq = 3",
            "DELETE FROM {s}.candidates WHERE iteration = 3",
            "UPDATE {s}.trials SET seeds = '[1,'",
            "UPDATE {s}.texts SET components = replace(components, 'child', 'kid')",
        ] {
            execute(&url, sql).await;
            assert_ne!(rebuild(&store, &run).await.unwrap(), [], "{sql}");
            assert_ne!(gepa_postgres::repair(&url, &run).await.unwrap(), []);
            let repaired = everything(&store, &run).await;
            assert_eq!(repaired, crate::conformance::reference().await, "{sql}");
        }
    }
}
