//! Values of keys that a config leaves out and that are stored with a new run all the same, because
//! they differ between versions.

use toml::{Table, Value};

use crate::key_map::find;

const EVALUATION: &str = "search.evaluation";
const RULES: &str = "search.rules";
const ORDER: &str = "search.growing.order";
/// Splits whose sets have the mix of a group at every beginning.
const STRATIFIED: [&str; 2] = ["dataset.split.stratify", "dataset.split.stratify_by"];
const REPEATS: &str = "search.growing.repeats";
const IN_FLIGHT: &str = "search.reuse_in_flight";
const LAGS: [&str; 2] = ["run.gate_lag", "run.pareto_lag"];

/// The lags of every version that did not store them.
const EARLIER_LAG: i64 = 2;
/// The lags where rows grow. A row that grows fills few slots at a time, and lags up to this cost no score
/// that could be measured. They do not follow `run.max_concurrent`, which decides nothing.
const GROWING_LAG: i64 = 4;

/// Fills in what a new run is to use.
pub(crate) fn fill(table: &mut Table) {
    let text = |key| find(table, key).and_then(Value::as_str);
    let follows_reference = text(RULES) == Some("reference");
    let evaluation = text(EVALUATION).unwrap_or(if follows_reference { "full" } else { "growing" });
    let is_growing = evaluation == "growing";
    let evaluation = Value::from(evaluation);
    put(table, EVALUATION, evaluation);
    let has_lag = LAGS.iter().any(|key| find(table, key).is_some());
    if is_growing && !has_lag {
        put_lags(table, GROWING_LAG);
    }
    if is_growing {
        put(table, REPEATS, Value::from(true));
    }
    put(table, IN_FLIGHT, Value::from(true));
    // A drawn order would lose the mix that the split has arranged.
    if is_growing && is_stratified(table) {
        put(table, ORDER, Value::from("listed"));
    }
}

fn is_growing(table: &Table) -> bool {
    find(table, EVALUATION).and_then(Value::as_str) == Some("growing")
}

fn is_stratified(table: &Table) -> bool {
    let is_set = |key| find(table, key).is_some_and(|value| *value != Value::Boolean(false));
    STRATIFIED.into_iter().any(is_set)
}

/// Fills in what a stored config without these keys meant when it was stored.
pub(crate) fn fill_stored(table: &mut Table) {
    put(table, EVALUATION, Value::from("full"));
    if is_stratified(table) {
        put(table, ORDER, Value::from("drawn"));
    }
    if is_growing(table) {
        put(table, REPEATS, Value::from(false));
    }
    put(table, IN_FLIGHT, Value::from(false));
    put_lags(table, EARLIER_LAG);
}

/// Fills in what the run that is resumed or branched from uses. `stored` is its config, filled.
pub(crate) fn fill_from(table: &mut Table, stored: &Table) {
    for key in LAGS
        .into_iter()
        .chain([EVALUATION, ORDER, REPEATS, IN_FLIGHT])
    {
        if let Some(value) = find(stored, key) {
            put(table, key, value.clone());
        }
    }
}

fn put_lags(table: &mut Table, lag: i64) {
    for key in LAGS {
        put(table, key, Value::from(lag));
    }
}

/// Sets a key of a section unless it is set. A section that is no table is left for the reader to
/// refuse.
fn put(table: &mut Table, key: &str, value: Value) {
    let Some((section, rest)) = key.split_once('.') else {
        table.entry(key).or_insert(value);
        return;
    };
    let section = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        put(section, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_a_stratified_split() {
        let order = |text: &str| {
            let mut filled = table(text);
            fill(&mut filled);
            find(&filled, ORDER)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let listed = Some("listed".to_owned());
        assert_eq!(order("dataset.split.stratify = true"), listed);
        assert_eq!(order("dataset.split.stratify_by = \"group\""), listed);
        assert_eq!(order("dataset.split.stratify = false"), None);
        let whole = "search.evaluation = \"full\"\ndataset.split.stratify = true";
        assert_eq!(order(whole), None);
        let drawn = "search.growing.order = \"drawn\"\ndataset.split.stratify = true";
        assert_eq!(order(drawn), Some("drawn".to_owned()));
        let mut stored = table("dataset.split.stratify = true\nsearch.evaluation = \"growing\"");
        fill_stored(&mut stored);
        fill(&mut stored);
        assert_eq!(find(&stored, ORDER).and_then(Value::as_str), Some("drawn"));
        let mut resumed = table("dataset.split.stratify = true");
        fill_from(&mut resumed, &table("search.growing.order = \"drawn\""));
        assert_eq!(find(&resumed, ORDER).and_then(Value::as_str), Some("drawn"));
    }

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    fn check(text: &str, evaluation: &str, lags: Option<(i64, i64)>) {
        let mut filled = table(text);
        fill(&mut filled);
        let number = |key| find(&filled, key).and_then(Value::as_integer);
        let found = number(LAGS[0]).zip(number(LAGS[1]));
        assert_eq!(
            find(&filled, EVALUATION).unwrap().as_str(),
            Some(evaluation),
            "{text}"
        );
        assert_eq!(found, lags, "{text}");
    }

    #[test]
    fn rows_grow_and_more_generations_are_open_unless_the_config_says_otherwise() {
        check("", "growing", Some((4, 4)));
        check("run.max_concurrent = 1", "growing", Some((4, 4)));
        check(
            "run.gate_lag = 3\nrun.pareto_lag = 5",
            "growing",
            Some((3, 5)),
        );
        check("run.pareto_lag = 5", "growing", None);
        check("search.evaluation = \"full\"", "full", None);
        check("search.rules = \"reference\"", "full", None);
    }

    #[test]
    fn a_stored_config_keeps_what_it_meant() {
        let mut earlier = table("run.max_concurrent = 64");
        fill_stored(&mut earlier);
        let stored = table(
            "run = { max_concurrent = 64, gate_lag = 2, pareto_lag = 2 }\nsearch = { evaluation = \"full\", \
             reuse_in_flight = false }",
        );
        assert_eq!(earlier, stored);

        let mut new = table("run.max_concurrent = 64");
        fill(&mut new);
        let before = new.clone();
        fill_stored(&mut new);
        assert_eq!(new, before);
    }

    #[test]
    fn a_run_that_began_before_a_rule_goes_on_without_it() {
        let mut stored = table("search.evaluation = \"growing\"");
        fill_stored(&mut stored);
        let mut resumed = table("");
        fill_from(&mut resumed, &stored);
        fill(&mut resumed);
        let mut new = table("");
        fill(&mut new);
        for rule in [REPEATS, IN_FLIGHT] {
            assert_eq!(find(&resumed, rule), Some(&Value::from(false)), "{rule}");
            assert_eq!(find(&new, rule), Some(&Value::from(true)), "{rule}");
        }
    }

    #[test]
    fn a_config_that_resumes_a_run_takes_over_what_it_leaves_out() {
        let mut stored = table("run.max_concurrent = 8");
        fill(&mut stored);
        let mut wider = table("run = { max_concurrent = 64, gate_lag = 1 }");
        fill_from(&mut wider, &stored);
        let expected = table(
            "run = { max_concurrent = 64, gate_lag = 1, pareto_lag = 4 }\nsearch = { evaluation = \"growing\", \
             growing.repeats = true, reuse_in_flight = true }",
        );
        assert_eq!(wider, expected);
    }

    #[test]
    fn a_section_that_is_no_table_is_left_for_the_reader() {
        let mut odd = table("search = 3");
        fill(&mut odd);
        assert_eq!(odd["search"], Value::from(3));
    }
}
