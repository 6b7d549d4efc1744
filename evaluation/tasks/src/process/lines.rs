//! Reads the output of a child, with limits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

const TAIL_BYTES: usize = 4096;

/// The result of reading a line.
#[derive(Debug)]
pub(super) enum Line {
    Complete(Vec<u8>),
    TooLong,
    /// The other side closed, perhaps in the middle of a line.
    End,
}

/// Reads one line without its end, holding at most `max_bytes`.
pub(super) async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    max_bytes: usize,
) -> std::io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::End);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(available.len());
        if line.len() + taken > max_bytes {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(&available[..taken]);
        reader.consume(end.map_or(taken, |at| at + 1));
        if end.is_some() {
            return Ok(Line::Complete(line));
        }
    }
}

/// Like [`read_line`], but skips empty lines.
pub(super) async fn read_filled_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    max_bytes: usize,
) -> std::io::Result<Line> {
    loop {
        match read_line(reader, max_bytes).await? {
            Line::Complete(line) if line.trim_ascii().is_empty() => {}
            line => return Ok(line),
        }
    }
}

/// The last few kilobytes of a child's stderr, filled in the background.
#[derive(Debug)]
pub(crate) struct StderrTail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    reading: JoinHandle<()>,
}

/// Starts reading a child's stderr, which must not fill up and block the child.
pub(crate) fn watch_stderr(mut stderr: impl AsyncRead + Unpin + Send + 'static) -> StderrTail {
    let bytes = Arc::new(Mutex::new(VecDeque::new()));
    let filled = Arc::clone(&bytes);
    let reading = tokio::spawn(async move {
        let mut chunk = [0; 1024];
        let mut line = Vec::new();
        while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
            log_lines(&mut line, &chunk[..count]);
            let mut tail = filled.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend(&chunk[..count]);
            let excess = tail.len().saturating_sub(TAIL_BYTES);
            tail.drain(..excess);
        }
    });
    StderrTail { bytes, reading }
}

/// Logs the lines of a program's stderr under a target of its own, so that those of one that works can
/// be seen as well. `line` holds the part of a line that came before.
fn log_lines(line: &mut Vec<u8>, bytes: &[u8]) {
    if !tracing::enabled!(target: PROGRAM_TARGET, tracing::Level::INFO) {
        return;
    }
    for byte in bytes {
        if *byte != b'\n' && line.len() < LONGEST_LOGGED {
            line.push(*byte);
            continue;
        }
        let text = String::from_utf8_lossy(line);
        tracing::info!(target: PROGRAM_TARGET, "{}", text.trim_end());
        line.clear();
    }
}

/// The target of the log lines that programs wrote on stderr.
const PROGRAM_TARGET: &str = "gepa_program";
/// A longer line is logged in parts.
const LONGEST_LOGGED: usize = 4096;

impl StderrTail {
    /// `; stderr ends with: ..`, or an empty text if stderr was empty. The last line comes first,
    /// because programs print the cause there; the lines before it follow. Waits a moment for the
    /// rest of a child that has just died.
    pub(crate) async fn quote(&mut self) -> String {
        let _ = tokio::time::timeout(Duration::from_millis(500), &mut self.reading).await;
        let tail = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        match text.rsplit_once('\n') {
            None if text.is_empty() => String::new(),
            None => format!("; stderr ends with: {text}"),
            Some((before, last)) => {
                let last = last.trim();
                format!(
                    "; stderr ends with: {last}; before that: {}",
                    before.trim_end()
                )
            }
        }
    }
}

impl Drop for StderrTail {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
