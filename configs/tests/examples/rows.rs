//! What is all about the rows of the sets.

use crate::support::Task;

#[test]
fn rows_in_two_sets_and_rows_with_two_answers_are_noted() {
    let task = Task {
        data: "text,answer\nsame,1\nsame,1\nSame ,1\nsame,1\nsame,1\nsame,2\n",
        ..Task::default()
    };
    let notes: Vec<String> = task
        .load()
        .unwrap()
        .notes()
        .iter()
        .map(ToString::to_string)
        .collect();
    let all = notes.join("\n");
    for part in [
        "`dataset.split.pareto` has 2 rows whose inputs are in `train` as well",
        "`dataset.split.validation` has 2 rows whose inputs are in `train` as well",
        "a different answer",
    ] {
        assert!(all.contains(part), "`{part}` is not in: {all}");
    }
    assert!(Task::default().load().unwrap().notes().is_empty());
}
