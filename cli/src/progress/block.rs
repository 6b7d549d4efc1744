//! A block of a few lines on a terminal, redrawn in place. A progress-bar library would bring its own
//! drawing thread for a few lines and two escape sequences.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use gepa_engine::Event;

use super::Standing;
use super::view::View;
use crate::format::{cost, count, dollars, duration, one_line, score};
use crate::screen::shown;

const BAR: usize = 24;
/// Characters of a run's name that are shown.
const LONGEST_NAME: usize = 48;
/// How long a trouble stays in the block.
const TROUBLE_SHOWN: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(super) struct Block {
    lines_drawn: usize,
    /// The last trouble, and when it was reported.
    trouble: Option<(String, Instant)>,
}

impl View for Block {
    fn events(&mut self, _events: &[Event], _standing: &Standing) {}

    fn trouble(&mut self, line: &str, _standing: &Standing) {
        self.trouble = Some((line.to_owned(), Instant::now()));
    }

    fn tick(&mut self, standing: &Standing) {
        let mut lines = lines(standing);
        let trouble = self.trouble.as_ref();
        let trouble = trouble.filter(|(_, at)| at.elapsed() < TROUBLE_SHOWN);
        lines.push(trouble.map_or_else(String::new, |(line, _)| line.clone()));
        let mut text = String::new();
        if self.lines_drawn > 0 {
            let _ = write!(text, "\x1b[{}A", self.lines_drawn);
        }
        // Without wrapping, a line longer than the terminal is wide is cut instead of breaking the block.
        text.push_str("\x1b[?7l");
        for line in &lines {
            let _ = writeln!(text, "\r{}\x1b[K", shown(line));
        }
        text.push_str("\x1b[?7h");
        self.lines_drawn = lines.len();
        // One write, so that no half-drawn block is ever seen.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

fn lines(standing: &Standing) -> Vec<String> {
    let counters = standing.counters();
    let phase = if standing.summary.status.is_terminal() {
        "over"
    } else if standing.is_validating {
        "validating"
    } else {
        "searching"
    };
    let best = match (standing.summary.best_score, standing.summary.baseline_score) {
        (Some(best), Some(baseline)) => {
            format!("{} (seed {})", score(best), score(baseline))
        }
        _ => "the seed is being scored".to_owned(),
    };
    let endings = standing.summary.endings.clone().unwrap_or_default();
    let mut lines = vec![
        format!(
            "{}  {phase}, {}",
            one_line(&standing.name, LONGEST_NAME),
            duration(standing.seconds())
        ),
        format!(
            "best    {best}   {} on the front   {} of {} proposals accepted",
            standing.summary.front_size,
            endings.accepted,
            endings.total()
        ),
        budget(standing),
        pace(standing),
        format!(
            "spent   {} tokens   cost {}   {} reflection calls   {} failed rollouts",
            count(counters.total_tokens),
            cost(counters.total_cost_usd(), counters.unpriced_calls),
            counters.reflection_calls,
            counters.failed_rollouts
        ),
    ];
    if let Some(warning) = standing.scale_warning() {
        lines.push(warning);
    }
    if let (true, Some(warning)) = (counters.reflection_calls > 0, standing.silence()) {
        lines.push(warning);
    }
    if let Some(failure) = &standing.last_failure {
        lines.push(format!("last failure: {}", one_line(failure, 120)));
    }
    lines
}

fn budget(standing: &Standing) -> String {
    let Some(nearest) = standing.nearest_limit() else {
        let rollouts = count(standing.counters().total_rollouts);
        return format!("budget  {rollouts} rollouts used; ends without improvement");
    };
    let filled = (nearest.share() * BAR as f64) as usize;
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR - filled));
    let figure = |value: f64| match nearest.name {
        "dollars" => dollars(value),
        _ => count(value as u64),
    };
    format!(
        "budget  [{bar}] {} of {} {}",
        figure(nearest.used),
        figure(nearest.limit),
        nearest.name
    )
}

fn pace(standing: &Standing) -> String {
    let left = match standing.seconds_left() {
        Some(seconds) if !standing.is_validating => format!(", about {} left", duration(seconds)),
        _ => String::new(),
    };
    format!("pace    {:.1} rollouts/s{left}", standing.rate())
}
