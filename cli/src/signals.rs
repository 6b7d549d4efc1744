//! Ctrl-C, and the signal with which a supervisor ends a process.

use std::io::Write;

use gepa_engine::RunControl;

use crate::output::err;

impl Signals {
    /// After the first signal the run waits for the calls in flight. The second signal drops them.
    pub(crate) async fn steer(mut self, control: RunControl) {
        self.next().await;
        say(
            "waiting for the calls in flight; press Ctrl-C again to drop them. The run can be resumed in either case",
        );
        control.interrupt("a signal was received");
        self.next().await;
        say("dropping the calls in flight");
        control.abort("a second signal was received");
    }
}

fn say(text: &str) {
    let _ = writeln!(err(), "\n{text}");
}

#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
