//! Tests of a full disk.

use gepa_engine::Timestamp;
use gepa_evaluation::PromptTemplate;
use tempfile::TempDir;

use super::super::connection::open_writer;
use super::*;

fn create(number: u32, bulk: usize) -> Task {
    Task::Create(Box::new(RunRow {
        run_id: format!("pl_{number:016x}").parse().unwrap(),
        name: String::new(),
        created_at: Timestamp(0),
        config: serde_json::json!({"bulk": "x".repeat(bulk)}),
        policy_provider: String::new(),
        policy_model: String::new(),
        template: PromptTemplate::default(),
        pareto: Vec::new(),
        validation: Vec::new(),
        summary: RunSummary::default(),
    }))
}

#[test]
fn a_full_disk_undoes_the_whole_transaction_and_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let place = Place::new(folder.path().join("runs.db"));
    let mut transactions = Transactions::new(open_writer(&place).unwrap(), place.clone());
    let runs =
        |transactions: &Transactions| read::runs(&transactions.connection, &place).unwrap().len();
    assert!(transactions.commit(&[create(1, 10)])[0].is_ok());
    let limit = |transactions: &Transactions, pages: u32| {
        let connection = &transactions.connection;
        connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    };
    limit(&transactions, 60);
    let results = transactions.commit(&[create(2, 10), create(3, 1_000_000), create(4, 10)]);
    for result in results {
        let message = result.unwrap_err().to_string();
        assert!(
            message.contains("the disk is full; free some space"),
            "{message}"
        );
    }
    assert_eq!(runs(&transactions), 1);

    limit(&transactions, 1_000_000);
    let results = transactions.commit(&[create(2, 10), create(2, 10), create(3, 1_000_000)]);
    assert!(results[0].is_ok() && results[2].is_ok());
    assert!(matches!(results[1], Err(StoreError::RunExists(_))));
    assert_eq!(runs(&transactions), 3);
}
