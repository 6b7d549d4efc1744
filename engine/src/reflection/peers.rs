//! Compares reflection prompts with those of the reference implementation itself.
//!
//! `tests/peers/setup.sh` installs it into `tests/.venv` at the workspace root. Without it the test
//! prints a note and passes.

use std::path::Path;
use std::process::Command;

use gepa_archive::Draw as _;
use gepa_evaluation::{ExampleId, ExampleRecord, ReflectiveRecord, Scored};
use gepa_testing::{MersenneTwister, report_skip};
use serde_json::{Map, Value, json};

use super::Template;

/// Reads cases of template, text and records as JSON; prints its own template and the prompts.
const SCRIPT: &str = "
import json, sys
from gepa.strategies.instruction_proposal import InstructionProposalSignature as Reflection
cases = json.load(open(sys.argv[1]))
prompts = [Reflection.prompt_renderer({'current_instruction_doc': case['text'],
                                       'dataset_with_feedback': case['records'],
                                       'prompt_template': case['template']}) for case in cases]
print(json.dumps({'template': Reflection.default_prompt_template, 'prompts': prompts}))
";
const CASES: usize = 300;
const LONGEST_PROMPT: usize = usize::MAX;

struct Case {
    /// `None` is the reference's own.
    template: Option<&'static str>,
    text: String,
    records: Vec<ExampleRecord>,
}

#[test]
fn templates_of_the_reference_give_the_bytes_of_the_reference() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/.venv/bin/python");
    let has_reference = Command::new(&python)
        .args(["-c", "import gepa"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_reference {
        report_skip("no `gepa` in tests/.venv, run tests/peers/setup.sh to compare with it");
        return;
    }
    let cases = cases();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.json");
    let written: Vec<Value> = cases.iter().map(Case::to_json).collect();
    std::fs::write(&file, serde_json::to_vec(&written).unwrap()).unwrap();
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = answer["template"].as_str().unwrap();
    let prompts = answer["prompts"].as_array().unwrap();
    assert_eq!(prompts.len(), cases.len());
    for (case, prompt) in cases.iter().zip(prompts) {
        let template = Template::parse(case.template.unwrap_or(own)).unwrap();
        let ours = template.render("plan", &case.text, &case.records, LONGEST_PROMPT);
        assert_eq!(Some(ours.as_str()), prompt.as_str());
    }
}

impl Case {
    fn to_json(&self) -> Value {
        let records = self.records.iter().map(|record| {
            let fields: Map<String, Value> = record.iter().cloned().collect();
            Value::Object(fields)
        });
        json!({
            "template": self.template,
            "text": self.text,
            "records": records.collect::<Vec<_>>(),
        })
    }
}

/// Traces of several components with the outputs and judgements beside them, and values of every
/// kind. No case puts a placeholder into a text, because the reference would replace it again.
fn cases() -> Vec<Case> {
    let mut words = MersenneTwister::new(4);
    let templates = [
        None,
        Some("<side_info>\n--\n<curr_param>"),
        Some("{a} <curr_param><side_info>%s"),
    ];
    (0..CASES)
        .map(|at| {
            let examples = 1 + words.below(4);
            Case {
                template: templates[at % templates.len()],
                text: format!("Text {at} with {{wildcard}} and\n```\na block\n```"),
                records: (0..examples)
                    .map(|_| {
                        let record = ReflectiveRecord {
                            example: ExampleId::Seed(0),
                            scored: scored(&mut words),
                        };
                        record.headings(["plan", "act"][at % 2])
                    })
                    .collect(),
            }
        })
        .collect()
}

fn scored(words: &mut MersenneTwister) -> Scored {
    let mut trace = Map::new();
    for name in ["Inputs", "Steps", "Ümlaut"].iter().take(words.below(4)) {
        trace.insert((*name).to_owned(), value(words, 6));
    }
    let components = json!({"plan": {"Own": value(words, 3)}, "act": {"Own": value(words, 3)}});
    if words.below(2) == 0 {
        trace.insert("components".to_owned(), components);
    }
    Scored {
        score: words.unit(),
        output: (words.below(2) == 0).then(|| "  an answer\u{1c}\n".to_owned()),
        feedback: (words.below(2) == 0).then(|| "expected `b`".to_owned()),
        trace: Some(Value::Object(trace)),
        ..Scored::default()
    }
}

fn value(words: &mut MersenneTwister, depth: usize) -> Value {
    let count = words.below(4);
    match words.below(if depth == 0 { 6 } else { 9 }) {
        0 => json!(words.below(2) == 0),
        1 => Value::Null,
        2 => json!(i64::from(words.word()) - (1 << 31)),
        3 => json!((words.unit() - 0.5) * 10_f64.powi(words.below(44) as i32 - 22)),
        4 => json!([0.0, -0.0, 1.0, 1e16, 123_456_789.0, 1e-5, 0.0001, 5e-324][words.below(8)]),
        5 => json!(
            [
                "",
                "text",
                " \t spaces \n",
                "two\nlines\u{a0}",
                "# heading",
                "\u{1f}x\u{85}"
            ][words.below(6)]
        ),
        6 => (0..count).map(|_| value(words, depth - 1)).collect(),
        _ => {
            let field = |at: usize| (format!("key {at}"), value(words, depth - 1));
            Value::Object((0..count).map(field).collect())
        }
    }
}
