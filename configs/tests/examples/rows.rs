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

#[test]
fn rows_that_are_almost_the_same_are_named() {
    let long =
        "the parcel that I ordered two weeks ago has still not arrived at my new address in Ulm";
    let other = long.replace("Ulm", "Bonn");
    let unlike = "my card was charged twice for one order and the phone rings without an answer at your shop";
    let data = format!("text,answer\n{long},1\n{unlike},2\n{other},3\nd,4\ne,5\nf,6\n");
    let task = Task {
        data: &data,
        dataset: "",
        ..Task::default()
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(task.file), task.data).unwrap();
    let seeds = (0..6).map(|seed| {
        let edited = |config: String| {
            let split = format!("[dataset.split]\nseed = {seed}");
            config.replacen("[dataset.split]", &split, 1)
        };
        task.edited_in(folder.path(), edited).unwrap()
    });
    let notes = seeds.map(|task| {
        let notes = task.notes().iter().map(ToString::to_string);
        notes.collect::<Vec<_>>().join(" ")
    });
    let notes: Vec<String> = notes.collect();
    let named = |note: &&String| note.contains("has 1 row with almost the inputs of a row in");
    assert!(notes.iter().any(|note| named(&note)), "{notes:?}");
    assert!(notes.iter().any(String::is_empty), "{notes:?}");
}
