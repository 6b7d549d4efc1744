//! A child with everything it starts, killed as a whole.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};

/// A child process that leads its own process group. Dropping it kills the group.
#[derive(Debug)]
pub(crate) struct ChildGroup {
    child: Child,
    /// Absent once the leader was reaped: another process may then have its number.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl ChildGroup {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        command.kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self {
            #[cfg(unix)]
            group: child
                .id()
                .and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())),
            child,
        })
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Kills the whole group; harmless when it is gone.
    pub(crate) fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group {
            // Fails only when no process of the group is left.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        #[cfg(not(unix))]
        let _ = self.child.start_kill();
    }

    /// Waits up to `grace` for the leader to end by itself, then kills what is left of the group.
    pub(crate) async fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        let (status, _) = self.end_and_tell(grace).await?;
        Ok(status)
    }

    /// The same; says as well whether the leader ended by itself.
    pub(crate) async fn end_and_tell(&mut self, grace: Duration) -> io::Result<(ExitStatus, bool)> {
        let ended = tokio::time::timeout(grace, self.child.wait()).await;
        self.kill();
        let by_itself = ended.is_ok();
        let status = match ended {
            Ok(status) => status,
            Err(_) => self.child.wait().await,
        };
        #[cfg(unix)]
        {
            self.group = None;
        }
        Ok((status?, by_itself))
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        self.kill();
    }
}
