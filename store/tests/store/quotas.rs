//! Quotas and shares of tenants, over two engines that share a database.

use gepa_engine::record::RunRow;
use gepa_engine::{RunId, Seq, Store};
use gepa_postgres::{PostgresStore, TenantLimits};

use crate::postgres::urls;
use crate::postgres_faults::execute;
use crate::script::{journal, run_row};

/// Two engines: stores of their own over one database.
async fn engines(url: &str) -> [PostgresStore; 2] {
    [
        PostgresStore::open(url).await.unwrap(),
        PostgresStore::open(url).await.unwrap(),
    ]
}

fn limits(tenant: &str) -> TenantLimits {
    TenantLimits {
        tenant: tenant.to_owned(),
        share: 1.0,
        max_running: None,
        rollouts_per_day: None,
        tokens_per_day: None,
        micro_usd_per_day: None,
    }
}

async fn submit(store: &PostgresStore, number: u32, tenant: &str, priority: i64) -> RunId {
    let run = RunRow {
        config: serde_json::json!({"job": {"tenant": tenant}}),
        ..run_row(&format!("pl_{number:016x}"))
    };
    let id = run.run_id.clone();
    store.create_run(run).await.unwrap();
    store.enqueue(&id, tenant, priority).await.unwrap();
    id
}

/// Works on a job that was taken until its run has ended.
async fn work(store: &PostgresStore, job: &RunId) {
    let claim = store.claim(job).await.unwrap();
    store
        .append(claim.token(), Seq(0), journal())
        .await
        .unwrap();
    drop(claim);
    store.leave_job(job, true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tenant_spent_on_one_engine_counts_on_all_of_them() {
    for url in urls() {
        let [one, other] = engines(&url).await;
        let first = submit(&one, 1, "alice", 0).await;
        assert_eq!(one.take_job(&[], &[]).await.unwrap(), Some(first.clone()));
        work(&one, &first).await;
        let spent = one.run(&first).await.unwrap().summary.counters;
        assert!(spent.total_rollouts > 0);
        let usage = || spent.usage.iter().map(|share| share.usage);
        // Those of the judge and of the reflection model count as well.
        let tokens: u64 = usage().map(|usage| usage.total_tokens()).sum();
        let cost: u64 = usage().map(|usage| usage.cost.0).sum();
        assert!(tokens > 0 && cost > 0);

        let second = submit(&one, 2, "alice", 0).await;
        let used_up: [(&str, TenantLimits); 3] = [
            (
                "rollouts",
                TenantLimits {
                    rollouts_per_day: Some(spent.total_rollouts),
                    ..limits("alice")
                },
            ),
            (
                "tokens",
                TenantLimits {
                    tokens_per_day: Some(tokens),
                    ..limits("alice")
                },
            ),
            (
                "dollars",
                TenantLimits {
                    micro_usd_per_day: Some(cost),
                    ..limits("alice")
                },
            ),
        ];
        for (what, limits) in &used_up {
            let found = other.take_job(&[], std::slice::from_ref(limits)).await;
            assert_eq!(found.unwrap(), None, "{what} are used up");
        }
        // Another tenant's job goes first, though it came later.
        let third = submit(&one, 3, "bob", 0).await;
        let all: Vec<TenantLimits> = used_up.iter().map(|(_, one)| one.clone()).collect();
        let found = other.take_job(&[], &all[..1]).await.unwrap();
        assert_eq!(found, Some(third.clone()));
        work(&other, &third).await;

        for (what, limits) in used_up {
            let more = |limit: Option<u64>| limit.map(|limit| limit + 1);
            let limits = TenantLimits {
                rollouts_per_day: more(limits.rollouts_per_day),
                tokens_per_day: more(limits.tokens_per_day),
                micro_usd_per_day: more(limits.micro_usd_per_day),
                ..limits
            };
            let found = other.take_job(&[], &[limits]).await.unwrap();
            assert_eq!(found.as_ref(), Some(&second), "one more of the {what}");
            other.leave_job(&second, false).await.unwrap();
            // Waits for the release, which is on its way.
            assert!(!other.is_claimed(&second).await.unwrap());
        }
        // On the next day the tenant begins anew.
        execute(&url, "UPDATE {s}.spending SET day = day - 1").await;
        let found = one.take_job(&[], &all).await.unwrap();
        assert_eq!(found, Some(second));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_jobs_of_a_tenant_at_once_are_counted_over_engines_that_live() {
    for url in urls() {
        let [one, other] = engines(&url).await;
        for number in 0..5 {
            submit(&one, number, "alice", 0).await;
        }
        let two = [TenantLimits {
            max_running: Some(2),
            ..limits("alice")
        }];
        let first = one.take_job(&[], &two).await.unwrap().unwrap();
        let second = other.take_job(&[], &two).await.unwrap().unwrap();
        assert_ne!(first, second);
        for engine in [&one, &other] {
            assert_eq!(engine.take_job(&[], &two).await.unwrap(), None);
        }
        work(&other, &second).await;
        assert!(one.take_job(&[], &two).await.unwrap().is_some());
        assert_eq!(other.take_job(&[], &two).await.unwrap(), None);
        // An engine that dies stops renewing; the job that it had counts no longer, and is free.
        let expire = format!(
            "UPDATE {{s}}.claims SET token = token + 1, until = '-infinity' WHERE run_id = '{first}'"
        );
        execute(&url, &expire).await;
        assert_eq!(other.take_job(&[], &two).await.unwrap(), Some(first));
        assert_eq!(other.take_job(&[], &two).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_run_jobs_by_their_shares_and_priorities_come_first() {
    for url in urls() {
        let [one, other] = engines(&url).await;
        let mut jobs = Vec::new();
        for number in 0..12 {
            jobs.push((submit(&one, number, "alice", 0).await, "alice"));
        }
        for number in 12..24 {
            jobs.push((submit(&one, number, "bob", 0).await, "bob"));
        }
        let shares = [
            TenantLimits {
                share: 2.0,
                ..limits("alice")
            },
            limits("bob"),
        ];
        let mut running = [0, 0];
        for place in 0..9 {
            let engine = [&one, &other][place % 2];
            let job = engine.take_job(&[], &shares).await.unwrap().unwrap();
            let (_, tenant) = jobs.iter().find(|(id, _)| *id == job).unwrap();
            running[usize::from(*tenant == "bob")] += 1;
            let [alice, bob] = running;
            assert!(
                alice <= 2 * bob + 2 && 2 * bob <= alice + 2,
                "alice {alice}, bob {bob}"
            );
        }
        assert_eq!(running, [6, 3]);
        let urgent = submit(&other, 99, "alice", 1).await;
        assert_eq!(one.take_job(&[], &shares).await.unwrap(), Some(urgent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_jobs_are_counted_for_all_engines() {
    for url in urls() {
        let [one, other] = engines(&url).await;
        assert_eq!(one.backlog().await.unwrap().0, 0);
        for number in 0..3 {
            submit(&one, number, "", 0).await;
        }
        let taken = one.take_job(&[], &[]).await.unwrap().unwrap();
        for engine in [&one, &other] {
            let (jobs, oldest) = engine.backlog().await.unwrap();
            // The rows of the script were created in the year 2023.
            assert!(jobs == 2 && oldest.as_secs() > 86_400, "{jobs} {oldest:?}");
        }
        work(&one, &taken).await;
        assert_eq!(other.backlog().await.unwrap().0, 2);
    }
}
