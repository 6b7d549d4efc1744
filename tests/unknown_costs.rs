//! A cost that is unknown is called so wherever it is shown, and never `$0.00`.

use std::time::Duration;

use gepa_testing::FaultPlan;
use serde_json::Value;

use crate::support::{Server, Workspace};

const SWEEP: &str = "config = \"config.toml\"\nname = \"parents\"\nseeds = [1, 2]\n\
                     [grid]\n\"search.parent\" = [\"pareto\", \"current_best\"]\n";

#[test]
fn a_model_without_a_price_costs_an_unknown_sum_and_not_nothing() {
    let server = Server::with(FaultPlan::none(), Duration::ZERO);
    let workspace = Workspace::with_model(&server.base_url(), 80);
    let config = workspace.read("config.toml");
    let (before, after) = config.split_once("[[prices]]").unwrap();
    let after = after.split_once("completion_usd_per_million = 1600.0\n");
    workspace.write("config.toml", &format!("{before}{}", after.unwrap().1));
    workspace.write("sweep.toml", SWEEP);
    let table = workspace.succeed(&["sweep", "sweep.toml", "--json", "found.json"]);
    assert!(table.contains("unknown") && !table.contains('$'), "{table}");
    let found: Value = serde_json::from_str(&workspace.read("found.json")).unwrap();
    for setting in found["settings"].as_array().unwrap() {
        assert_eq!(setting["total_cost_usd"], Value::Null);
        assert!(setting["unpriced_calls"].as_u64().unwrap() > 80);
        assert!(setting["score"]["mean"].is_f64());
        assert_eq!(setting["score"]["low"], Value::Null, "of two seeds");
    }
    let run = found["settings"][0]["runs"][0]["run_id"].as_str().unwrap();
    let other = found["settings"][0]["runs"][1]["run_id"].as_str().unwrap();
    for arguments in [&["compare", run, other][..], &["show", run], &["runs"]] {
        let shown = workspace.succeed(arguments);
        assert!(shown.contains("unknown"), "{shown}");
        assert!(!shown.contains("$0.00"), "{shown}");
    }
    for kind in ["trials", "rollouts"] {
        let rows = workspace.export(kind);
        assert!(rows.iter().all(|row| row["cost_usd"].is_null()), "{kind}");
    }
}
