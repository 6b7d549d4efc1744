//! Ctrl-C and the request to end that a supervisor sends.

use std::io::Write;

use gepa_engine::RunControl;

impl Signals {
    /// The first signal lets calls in flight finish, the second drops them.
    pub(crate) async fn steer(mut self, control: RunControl) {
        self.next().await;
        say(
            "finishing the calls in flight; once more to drop them. The run can be resumed either way",
        );
        control.interrupt("a signal asked for it");
        self.next().await;
        say("dropping the calls in flight");
        control.abort("a second signal asked for it at once");
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
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
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same shape as where it can fail"
    )]
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(crate) async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
