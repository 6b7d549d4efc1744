//! Reads the instruction and the failures in a reflection prompt of any template.

use super::item::Item;
use super::line::Line;
use super::wording::{self, LABELS, SPOILT};
use super::world::World;
use crate::wanted::texts_wanted;

/// The present instruction and the failures in a reflection prompt.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// The lines of the present instruction beyond its opening, in order.
    pub(super) lines: Vec<Line>,
    /// Items whose replies were judged wrong, in order.
    pub(super) failures: Vec<&'a Item>,
    /// Whether a reply had the wrong form.
    pub(super) spoilt: bool,
    /// The requested number of different new texts.
    pub(super) wanted: usize,
}

impl<'a> Shown<'a> {
    pub(super) fn in_prompt(world: &'a World, prompt: &str) -> Self {
        let mut lines = Vec::new();
        let mut rest = String::new();
        for text in prompt.split('\n').flat_map(|line| line.split("\\n")) {
            match line_of(world, text) {
                Some(line) if lines.contains(&line) => {}
                Some(line) => lines.push(line),
                None => {
                    rest.push_str(text);
                    rest.push('\n');
                }
            }
        }
        Self {
            lines,
            failures: failures(world, &rest),
            spoilt: rest.contains(SPOILT),
            wanted: texts_wanted(&rest),
        }
    }
}

/// The line of the world's vocabulary that equals a line of text without bullets and quotes.
fn line_of(world: &World, text: &str) -> Option<Line> {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    let phrase = format!("{}.", text.to_lowercase());
    let known = world.phrases().iter().find(|(known, _)| *known == phrase);
    if let Some((_, line)) = known {
        return Some(*line);
    }
    let id = text.strip_prefix("The request ")?.split(' ').next()?;
    let item = world.item(id)?;
    let remark = wording::remark(&item.id, item.answer);
    (remark.strip_suffix('.') == Some(text)).then_some(Line::Remark(item.split, item.index))
}

/// The items with wrong answers, in the order of their markers.
fn failures<'a>(world: &'a World, text: &str) -> Vec<&'a Item> {
    let mut failures: Vec<&Item> = Vec::new();
    for segment in text.split("[item ").skip(1) {
        let Some((id, shown)) = segment.split_once(']') else {
            continue;
        };
        let Some(item) = world.item(id) else { continue };
        let is_new = !failures.iter().any(|known| known.id == item.id);
        if is_new && shows_failure(item, text, shown) {
            failures.push(item);
        }
    }
    failures
}

/// Whether the prompt shows that the item was answered wrongly: it contains the item's own feedback
/// at any place. Some clients judge in words of their own; then a wrong label between the item's
/// marker and the next marker shows it.
fn shows_failure(item: &Item, text: &str, shown: &str) -> bool {
    if text.contains(&item.feedback_wrong) {
        return true;
    }
    if text.contains(&item.feedback_right) {
        return false;
    }
    let has_other_label = shown
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word != item.answer && LABELS.contains(&word));
    has_other_label || shown.contains(SPOILT)
}
