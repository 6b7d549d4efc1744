//! A run as one file: the page with its data inside. It loads nothing, so it can be mailed.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use gepa_engine::record::CandidateRow;
use gepa_engine::{RolloutPages, RunId, StoreError};
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::assets::{SCRIPT, STYLE};
use super::content::{Content, ViewError};
use super::resource::{ExampleSet, Part, Resource};
use super::run_rows::RunRows;
use super::views::Views;

/// Bytes of data that a report holds before compression, beside what every report holds.
const MOST_BYTES: usize = 32 << 20;

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The data could not be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The file could not be written.
    #[error("the report could not be written: {0}")]
    Write(#[from] io::Error),
}

impl From<StoreError> for ReportError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

/// Writes the report of a run. The overview, both matrices, the failures and the slots are always in it; then,
/// up to 32 MB before compression, the candidates with the lines' origins, the reflections, and the
/// rollouts of the baseline and of the candidates that were scored on held-out examples. Returns how many of the further pages had no
/// room.
///
/// # Errors
///
/// The store or the writer failed.
pub async fn write_report(
    views: &Views,
    run: &RunId,
    out: &mut dyn Write,
) -> Result<usize, ReportError> {
    let rows = RunRows::read(&**views.store(), run).await?;
    let mut data = Data::default();
    for part in [
        Part::View,
        Part::Verdict,
        Part::Matrix(ExampleSet::Pareto),
        Part::Matrix(ExampleSet::Validation),
        Part::Failures,
        Part::Slots,
    ] {
        data.add(run, part, views.part(&rows, part).await?);
    }
    let ablations = rows.run.summary.acts.iter();
    for act in ablations.filter(|act| act.act == "ablation_noted") {
        let part = Part::Event(act.seq);
        data.add(run, part, views.part(&rows, part).await?);
    }
    let mut left_out = 0;
    for part in further(views, &rows).await? {
        if data.size() >= MOST_BYTES {
            left_out += 1;
            continue;
        }
        data.add(run, part, views.part(&rows, part).await?);
    }
    write_page(out, &rows.run.name, &data.compressed()?)?;
    Ok(left_out)
}

/// Writes the comparison of runs: what `gepa compare` prints, their curves, and the overview of each.
///
/// # Errors
///
/// The store or the writer failed.
pub async fn write_comparison(
    views: &Views,
    name: &str,
    runs: &[RunId],
    out: &mut dyn Write,
) -> Result<(), ReportError> {
    let mut data = Data::default();
    for run in runs {
        for part in [Part::View, Part::Verdict] {
            let resource = Resource::OfRun(run.clone(), part);
            data.push(&resource, views.read(&resource).await?);
        }
    }
    if let Some((first, others)) = runs.split_first() {
        for other in others {
            let resource = Resource::BestOfRuns(first.clone(), other.clone());
            data.push(&resource, views.read(&resource).await?);
        }
    }
    write_page(out, name, &data.compressed()?)?;
    Ok(())
}

/// What a report holds where there is room, most important first.
async fn further(views: &Views, rows: &RunRows) -> Result<Vec<Part>, ReportError> {
    let best = rows.run.summary.best;
    let is_named = |row: &CandidateRow| {
        let is_best = row.index.is_some() && row.index == best;
        is_best || row.iteration == 0 || row.validation_score.is_some()
    };
    let (named, others): (Vec<_>, Vec<_>) = rows.candidates.iter().partition(|row| is_named(row));
    let mut parts = Vec::new();
    for row in &named {
        parts.push(Part::Candidate(row.iteration));
        parts.push(Part::Blame(row.iteration));
        parts.push(Part::Comparison(0, row.iteration));
    }
    parts.extend(rows.reflections.iter().map(|row| Part::Event(row.seq)));
    parts.extend(rollouts(views, rows, &named).await?);
    let (members, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|row| row.index.is_some());
    for row in members.into_iter().chain(others) {
        parts.push(Part::Candidate(row.iteration));
        parts.push(Part::Blame(row.iteration));
    }
    Ok(parts)
}

/// The rollouts of the named candidates, then those of others that failed.
async fn rollouts(
    views: &Views,
    rows: &RunRows,
    named: &[&CandidateRow],
) -> Result<Vec<Part>, ReportError> {
    let (mut shown, mut failed) = (Vec::new(), Vec::new());
    let mut pages = RolloutPages::of(&**views.store(), &rows.run.run_id);
    while let Some(page) = pages.next().await? {
        for row in &page {
            let is_named = named
                .iter()
                .any(|candidate| candidate.candidate_id == row.candidate_id);
            if is_named {
                shown.push(Part::Event(row.seq));
            } else if row.failure.is_some() {
                failed.push(Part::Event(row.seq));
            }
        }
    }
    shown.extend(failed);
    Ok(shown)
}

/// Resources one after the other, and a directory of them.
#[derive(Default)]
struct Data {
    directory: Vec<(String, &'static str, usize)>,
    bytes: Vec<u8>,
}

impl Data {
    fn add(&mut self, run: &RunId, part: Part, content: Content) {
        self.push(&Resource::OfRun(run.clone(), part), content);
    }

    fn push(&mut self, resource: &Resource, content: Content) {
        let entry = (
            resource.to_string(),
            content.media_type,
            content.bytes.len(),
        );
        self.directory.push(entry);
        self.bytes.extend(content.bytes);
    }

    fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The length of the directory (four bytes, little endian), the directory, the resources.
    fn compressed(&self) -> io::Result<Vec<u8>> {
        let directory = json!(self.directory).to_string();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(&(directory.len() as u32).to_le_bytes())?;
        encoder.write_all(directory.as_bytes())?;
        encoder.write_all(&self.bytes)?;
        encoder.finish()
    }
}

fn write_page(out: &mut dyn Write, name: &str, data: &[u8]) -> io::Result<()> {
    let hash = |text: &str| STANDARD.encode(digest(&SHA256, text.as_bytes()));
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<div id=\"app\"></div>\n\
         <noscript>This report needs a browser that runs its script.</noscript>\n\
         <script type=\"application/octet-stream\" id=\"data\">",
        script = hash(SCRIPT),
        style = hash(STYLE),
        title = escaped(name),
    )?;
    out.write_all(STANDARD.encode(data).as_bytes())?;
    write!(
        out,
        "</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            symbol if symbol.is_control() => safe.push(' '),
            symbol => safe.push(symbol),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_title() {
        assert_eq!(
            escaped("</title><script>x\u{0}\"&"),
            "&lt;/title&gt;&lt;script&gt;x &quot;&amp;"
        );
    }

    #[test]
    fn the_embedded_script_and_style_cannot_end_their_elements() {
        assert!(!SCRIPT.to_lowercase().contains("</script"), "the script");
        assert!(!SCRIPT.contains("<!--"), "a comment in the script");
        assert!(!STYLE.to_lowercase().contains("</style"), "the style");
    }
}
