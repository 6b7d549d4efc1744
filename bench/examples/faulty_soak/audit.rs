//! Compares our books with the server's, and our own books with each other.
//!
//! Both sides count a call that was sent, even if its reply was lost. The tokens of a lost reply
//! are unknown, so neither side counts them. A reply without usage is estimated in a separate
//! counter, for which the server has no figure; so the number of such replies is compared instead.

use std::error::Error;

use gepa_engine::{Counters, RunId, Seq, Store};
use gepa_evaluation::Usage;
use gepa_testing::Ledger;

const PAGE: usize = 10_000;

/// Prints the figures and returns those that differ.
pub(crate) async fn audit(
    store: &dyn Store,
    run: &RunId,
    ledger: &Ledger,
) -> Result<Vec<String>, Box<dyn Error>> {
    let counted = store.run(run).await?.summary.counters;
    let folded = folded(store, run).await?;
    let rows = Rows::read(store, run).await?;
    let mut differences: Vec<String> = gepa_store::rebuild(store, run)
        .await?
        .iter()
        .map(ToString::to_string)
        .collect();
    differences.extend(store.integrity().await?);
    let spent = spent(&counted);
    println!("{:<28} {:>14} {:>14}", "", "ours", "the server's");
    for (name, ours, servers) in [
        ("calls", spent.calls, ledger.calls_received),
        ("prompt tokens", spent.prompt_tokens, ledger.prompt_tokens),
        (
            "completion tokens",
            spent.completion_tokens,
            ledger.completion_tokens,
        ),
        (
            "replies without usage",
            counted.unpriced_calls,
            ledger.calls_without_usage,
        ),
        (
            "micro-dollars",
            counted.total_cost_micro_usd,
            1_000_000 * (ledger.prompt_tokens + ledger.completion_tokens),
        ),
        (
            "answered calls",
            rows.answered + counted.reflection_calls,
            ledger.calls_answered,
        ),
    ] {
        println!("{name:<28} {ours:>14} {servers:>14}");
        if ours != servers {
            differences.push(format!("{name}: ours {ours}, the server's {servers}"));
        }
    }
    println!("answers of the server by status: {:?}", ledger.by_status);
    println!();
    println!(
        "{:<28} {:>14} {:>14} {:>14}",
        "", "counter", "journal", "rows"
    );
    for (name, counter, journal, rows) in [
        (
            "rollouts",
            counted.total_rollouts,
            folded.total_rollouts,
            rows.rollouts,
        ),
        (
            "failed rollouts",
            counted.failed_rollouts,
            folded.failed_rollouts,
            rows.rollouts - rows.scored,
        ),
        (
            "trials evaluated",
            counted.total_trials_evaluated,
            folded.total_trials_evaluated,
            rows.trials,
        ),
        (
            "reflection calls",
            counted.reflection_calls,
            folded.reflection_calls,
            rows.reflections,
        ),
        (
            "tokens",
            counted.total_tokens,
            folded.total_tokens,
            rows.usage.total_tokens(),
        ),
        (
            "micro-dollars",
            counted.total_cost_micro_usd,
            folded.total_cost_micro_usd,
            rows.usage.cost.0,
        ),
    ] {
        println!("{name:<28} {counter:>14} {journal:>14} {rows:>14}");
        if counter != journal || counter != rows {
            differences.push(format!(
                "{name}: counter {counter}, journal {journal}, rows {rows}"
            ));
        }
    }
    Ok(differences)
}

/// The counters, folded from the journal.
async fn folded(store: &dyn Store, run: &RunId) -> Result<Counters, Box<dyn Error>> {
    let mut counters = Counters::default();
    let mut last = Seq(0);
    loop {
        let page = store.events(run, last, PAGE).await?;
        let Some(event) = page.last() else {
            return Ok(counters);
        };
        last = event.seq;
        for event in &page {
            counters.count(&event.body);
        }
    }
}

fn spent(counters: &Counters) -> Usage {
    let shares = counters.usage.iter();
    shares.fold(Usage::default(), |sum, share| sum + share.usage)
}

/// The sums of the tables.
#[derive(Default)]
struct Rows {
    rollouts: u64,
    scored: u64,
    /// Replies with a completion: one for each scored rollout.
    answered: u64,
    trials: u64,
    reflections: u64,
    usage: Usage,
}

impl Rows {
    async fn read(store: &dyn Store, run: &RunId) -> Result<Self, Box<dyn Error>> {
        let mut rows = Self::default();
        let mut last = Seq(0);
        loop {
            let page = store.rollouts(run, last, PAGE).await?;
            let Some(row) = page.last() else { break };
            last = row.seq;
            for row in &page {
                rows.rollouts += 1;
                rows.scored += u64::from(row.score.is_some());
                rows.usage += row.usage + row.judge_usage;
            }
        }
        rows.answered = rows.scored;
        for trial in store.trials(run).await? {
            rows.trials += u64::from(trial.finished_at.is_some());
        }
        for reflection in store.reflections(run).await? {
            rows.reflections += 1;
            rows.usage += reflection.usage;
        }
        Ok(rows)
    }
}
