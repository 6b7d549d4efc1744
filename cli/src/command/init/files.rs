//! The files of each kind of task, in each language.

use gepa_configs::CONFIG_SCHEMA;

use crate::arguments::{Language, TaskKind};

/// A file to write.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) text: String,
}

/// A program in the three languages.
struct Program {
    /// What the config's placeholders call it.
    part: &'static str,
    python: (&'static str, &'static str),
    node: (&'static str, &'static str),
    shell: (&'static str, &'static str),
}

macro_rules! program {
    ($folder:literal, $part:literal) => {
        Program {
            part: $part,
            python: program!(@one $folder, $part, ".py"),
            node: program!(@one $folder, $part, ".mjs"),
            shell: program!(@one $folder, $part, ".sh"),
        }
    };
    (@one $folder:literal, $part:literal, $ending:literal) => {
        (
            concat!($part, $ending),
            include_str!(concat!("../../../templates/", $folder, "/", $part, $ending)),
        )
    };
}

const CLASSIFY: &[Program] = &[program!("classify", "scorer")];
const PROGRAM: &[Program] = &[
    program!("program", "evaluator"),
    program!("program", "proposer"),
];
const TEXT: &[Program] = &[program!("text", "evaluator"), program!("text", "proposer")];

/// The files, the config first.
pub(super) fn files(task: TaskKind, language: Language) -> Vec<File> {
    let (config, programs, rows) = match task {
        TaskKind::Classify => (
            include_str!("../../../templates/classify/config.toml"),
            CLASSIFY,
            Some(include_str!("../../../templates/classify/rows.jsonl")),
        ),
        TaskKind::Program => (
            include_str!("../../../templates/program/config.toml"),
            PROGRAM,
            Some(include_str!("../../../templates/program/rows.jsonl")),
        ),
        TaskKind::Text => (
            include_str!("../../../templates/text/config.toml"),
            TEXT,
            None,
        ),
    };
    let mut config = config.to_owned();
    let mut files = Vec::new();
    for program in programs {
        let (interpreter, (name, text)) = match language {
            Language::Python => ("python3", program.python),
            Language::Node => ("node", program.node),
            Language::Shell => ("sh", program.shell),
        };
        let part = program.part;
        let command = format!("[\"{interpreter}\", \"{name}\"]");
        config = config
            .replace(&format!("{{{{{part}}}}}"), &command)
            .replace(&format!("{{{{{part}_file}}}}"), name);
        files.push(File {
            name,
            text: text.to_owned(),
        });
    }
    let rows = rows.map(|text| File {
        name: "rows.jsonl",
        text: text.to_owned(),
    });
    let schema = File {
        name: "gepa.schema.json",
        text: CONFIG_SCHEMA.to_owned(),
    };
    let config = File {
        name: "config.toml",
        text: config,
    };
    files.insert(0, config);
    files.into_iter().chain(rows).chain([schema]).collect()
}
