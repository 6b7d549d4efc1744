//! Watching a run: a fold of its events, and the three ways of showing it.

mod block;
mod json;
mod lines;
mod standing;
mod troubles;
mod view;

use std::time::Duration;

use gepa_engine::{RunId, StoreError};
use tokio::time::MissedTickBehavior;

use crate::arguments::LogForm;
use crate::feed::Feed;
use crate::output;

pub(crate) use standing::{Limits, Standing, perfect_score};
pub(crate) use troubles::Troubles;
use view::View;

/// How often a block is redrawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows a run until its events end.
pub(crate) async fn follow(
    run: RunId,
    mut feed: Feed,
    mut standing: Standing,
    mut troubles: Troubles,
    form: LogForm,
) -> Result<(), StoreError> {
    let mut view = view_for(run, form);
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            events = feed.next() => {
                let Some(events) = events? else { break };
                for event in events.iter() {
                    standing.count(event);
                    // A line about one event must not have the numbers of the events after it.
                    view.events(std::slice::from_ref(event), &standing);
                }
            }
            _ = redraw.tick() => {
                if let Some(line) = troubles.news(&standing) {
                    view.trouble(&line, &standing);
                }
                view.tick(&standing);
            }
        }
    }
    view.tick(&standing);
    Ok(())
}

fn view_for(run: RunId, form: LogForm) -> Box<dyn View> {
    match form {
        LogForm::Json => Box::new(json::JsonLines::new(run)),
        LogForm::Human if output::can_redraw() => Box::new(block::Block::default()),
        LogForm::Human => Box::new(lines::Lines::default()),
    }
}
