//! Ctrl-C, the signal with which a supervisor ends a process, and that of a terminal which is closed.

use std::io::Write;

use gepa_engine::RunControl;
use tokio::sync::watch;

use crate::error::EXIT_INTERRUPTED;
use crate::output::err;

impl Signals {
    /// After the first signal the run waits for the calls in flight. The second signal drops them.
    pub(crate) async fn steer(mut self, control: RunControl) {
        self.next().await;
        say(
            "waiting for the calls in flight; press Ctrl-C again to drop them. The run can be resumed in either case",
        );
        control.interrupt("a signal was received");
        self.again().await;
        say("dropping the calls in flight");
        control.abort("a second signal was received");
    }

    /// Becomes true after the first signal. The second one ends the process, which drops the calls in flight.
    pub(crate) fn cancel(mut self) -> watch::Receiver<bool> {
        let (cancel, cancelled) = watch::channel(false);
        tokio::spawn(async move {
            self.next().await;
            say(
                "waiting for the calls in flight; press Ctrl-C again to drop them. Their outcomes are stored, and the same command goes on from them",
            );
            let _ = cancel.send(true);
            self.again().await;
            say("dropping the calls in flight");
            std::process::exit(i32::from(EXIT_INTERRUPTED));
        });
        cancelled
    }
}

fn say(text: &str) {
    let _ = writeln!(err(), "\n{text}");
}

#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// Absent where it is to be ignored, as `nohup` asks for.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if hangup_is_ignored() {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    pub(crate) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }

    /// Like [`next`](Self::next), of those signals that a person sends again to hurry. A closed terminal
    /// sends its signal several times.
    async fn again(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Whether the process was started to survive its terminal. Where that cannot be read, the
/// signal keeps its usual effect.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return true;
    };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit is that of the first signal, which is this one.
    ignored.is_none_or(|mask| mask & 1 == 1)
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

    async fn again(&mut self) {
        self.next().await;
    }
}
