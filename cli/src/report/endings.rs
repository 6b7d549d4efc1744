//! Says how the proposals of a run ended. The verdict says why nothing was learned.

use std::io::{self, Write};

use gepa_engine::ReflectionFailureKind;
use gepa_engine::record::{Endings, RunRow};

use indexmap::IndexMap;

use crate::format::{count, one_line};
use crate::progress::perfect_score;

/// Longest text quoted from a refusal.
const QUOTED: usize = 200;

/// Writes how proposals ended, in one or two lines; nothing where no proposal has ended or the journal was
/// begun by an earlier version.
pub(super) fn write_endings(out: &mut dyn Write, run: &RunRow) -> io::Result<()> {
    let Some(endings) = &run.summary.endings else {
        return Ok(());
    };
    let replies = endings.replies_refused();
    if endings.total() == 0 && replies == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "\n{} proposal{}: {}",
        count(endings.total()),
        plural(endings.total()),
        parts(endings).join(", ")
    )?;
    if replies > 0 {
        let last = endings.last_refusal.as_deref().unwrap_or_default();
        writeln!(
            out,
            "{} repl{} of the reflection model refused ({}), the last: {}",
            count(replies),
            if replies == 1 { "y" } else { "ies" },
            by_kind(&endings.refused),
            one_line(last, QUOTED)
        )?;
    }
    let texts: u64 = endings.texts_refused.values().sum();
    if texts > 0 {
        writeln!(
            out,
            "{} further text{} of replies refused ({})",
            count(texts),
            plural(texts),
            by_kind(&endings.texts_refused)
        )?;
    }
    if endings.texts_copying > 0 {
        let (texts, number) = (endings.texts_copying, count(endings.texts_copying));
        writeln!(
            out,
            "{number} new text{} cop{} words of training examples, and may know these examples only; \
             `reflection.copied_examples = \"refuse\"` keeps such texts out",
            plural(texts),
            if texts == 1 { "ies" } else { "y" }
        )?;
    }
    let scores = run.summary.scores.as_ref();
    if let Some(warning) = scores.and_then(|scores| scores.warning(perfect_score(run))) {
        writeln!(out, "{warning}")?;
    }
    Ok(())
}

/// How often each thing was wrong.
fn by_kind(refused: &IndexMap<ReflectionFailureKind, u64>) -> String {
    let by_kind = refused.iter();
    let by_kind: Vec<String> = by_kind
        .map(|(kind, number)| format!("{} {}", count(*number), kind.as_str()))
        .collect();
    by_kind.join(", ")
}

/// The ways in which proposals ended, each with its number.
fn parts(endings: &Endings) -> Vec<String> {
    let parts = endings.parts().into_iter();
    parts
        .map(|(number, words)| format!("{} {words}", count(number)))
        .collect()
}

pub(super) fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}
