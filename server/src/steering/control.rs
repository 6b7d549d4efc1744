//! The way from one process of this machine to the run that another one works on: a socket in a
//! directory that only the user can enter. A line with a request goes in, a line with the answer
//! comes out.

use std::time::Duration;

use gepa_engine::{RunControl, RunId, Seq, SteeringRefused};
use serde::{Deserialize, Serialize};

use super::request::SteerRequest;

/// How long an answer waits until the act is in the journal. A stop, and other limits in the final scoring, are
/// journaled when the calls in flight have ended, which may take longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request, in bytes.
const MOST_BYTES: u64 = 4 << 20;

/// The answer of the process that works on a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It does what was asked; the entry in the journal, if it is written already.
    Done(Option<Seq>),
    /// It refuses.
    Refused(String),
    /// No process of this user answers for the run.
    NoProcess,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// Passes a request on to a run, and waits for its entry in the journal.
pub(crate) async fn pass_on(
    control: &RunControl,
    request: SteerRequest,
) -> Result<Option<Seq>, String> {
    let (steering, by) = request.read().map_err(|error| error.to_string())?;
    let control = control.clone();
    entry_of(async move { control.steer(steering, by).await }).await
}

/// The entry of an act, if it is written in time. The act goes on after that, so a caller that tried
/// again would do it twice.
async fn entry_of(
    acting: impl Future<Output = Result<Seq, SteeringRefused>> + Send + 'static,
) -> Result<Option<Seq>, String> {
    match tokio::time::timeout(PATIENCE, tokio::spawn(acting)).await {
        Ok(Ok(done)) => done.map(Some).map_err(|refused| refused.to_string()),
        Err(_) => Ok(None),
        Ok(Err(_)) => Err(SteeringRefused::ProcessEnded.to_string()),
    }
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, DirBuilder, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::task::JoinHandle;

    use super::{Answer, MOST_BYTES, Reached, RunControl, RunId, Seq, SteerRequest, pass_on};

    /// Answers requests for one run until it is dropped.
    #[derive(Debug)]
    pub struct ControlSocket {
        path: PathBuf,
        answering: JoinHandle<()>,
    }

    impl ControlSocket {
        /// Opens the socket of a run that this process works on. `None` if the directory of sockets
        /// cannot be made or is another user's, or the socket cannot be opened; the run can then be
        /// steered through its process's own interface, or at rest.
        pub fn open(run: &RunId, control: RunControl) -> Option<Self> {
            Self::try_open(run, control)
                .inspect_err(|error| tracing::info!(%run, %error, "no control socket"))
                .ok()
        }

        fn try_open(run: &RunId, control: RunControl) -> io::Result<Self> {
            let directory = directory();
            make(&directory)?;
            let path = path_of(&directory, run);
            // A process that was killed left its socket behind. The claim says that this process is
            // the only one that works on the run.
            let _ = fs::remove_file(&path);
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            let answering = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let control = control.clone();
                    tokio::spawn(async move {
                        // The asker may have gone.
                        let _ = answer(stream, &control).await;
                    });
                }
            });
            Ok(Self { path, answering })
        }
    }

    impl Drop for ControlSocket {
        fn drop(&mut self) {
            self.answering.abort();
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Asks the process of this user that works on a run.
    pub async fn ask(run: &RunId, request: &SteerRequest) -> Reached {
        match exchange(run, request).await {
            Ok(Answer {
                refused: Some(message),
                ..
            }) => Reached::Refused(message),
            Ok(Answer { seq, .. }) => Reached::Done(seq.map(Seq)),
            Err(_) => Reached::NoProcess,
        }
    }

    async fn exchange(run: &RunId, request: &SteerRequest) -> io::Result<Answer> {
        let directory = directory();
        check_owner(&directory)?;
        let mut stream = UnixStream::connect(path_of(&directory, run)).await?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    }

    async fn answer(stream: UnixStream, control: &RunControl) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut line = String::new();
        BufReader::new(reader.take(MOST_BYTES))
            .read_line(&mut line)
            .await?;
        let done = match serde_json::from_str::<SteerRequest>(&line) {
            Ok(request) => pass_on(control, request).await,
            Err(error) => Err(format!("the request cannot be read: {error}")),
        };
        let answer = match done {
            Ok(seq) => Answer {
                seq: seq.map(|seq| seq.0),
                refused: None,
            },
            Err(message) => Answer {
                seq: None,
                refused: Some(message),
            },
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        writer.write_all(&line).await
    }

    /// The directory of this user's sockets. A path of a socket may have about 100 bytes, so it does
    /// not stand beside the store.
    fn directory() -> PathBuf {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let short = runtime.filter(|path| path.is_absolute() && path.as_os_str().len() < 50);
        short.map_or_else(
            || PathBuf::from("/tmp").join(format!("gepa-{}", user())),
            |path| path.join("gepa"),
        )
    }

    fn path_of(directory: &Path, run: &RunId) -> PathBuf {
        directory.join(format!("{run}.sock"))
    }

    fn make(directory: &Path) -> io::Result<()> {
        let made = DirBuilder::new().mode(0o700).create(directory);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => check_owner(directory),
        }
    }

    /// Another user could have made the directory to read requests.
    fn check_owner(directory: &Path) -> io::Result<()> {
        let found = fs::symlink_metadata(directory)?;
        let is_closed = found.mode().trailing_zeros() >= 6;
        let is_own = found.is_dir() && found.uid() == user() && is_closed;
        if is_own {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{} belongs to another user or others can enter it",
            directory.display()
        )))
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }
}

#[cfg(unix)]
pub use unix::{ControlSocket, ask};

#[cfg(not(unix))]
mod elsewhere {
    use super::{Reached, RunControl, RunId, SteerRequest};

    /// There are no such sockets on this system.
    #[derive(Debug)]
    pub struct ControlSocket(());

    impl ControlSocket {
        /// Opens none.
        pub fn open(_: &RunId, _: RunControl) -> Option<Self> {
            None
        }
    }

    /// No process can be reached.
    pub async fn ask(_: &RunId, _: &SteerRequest) -> Reached {
        Reached::NoProcess
    }
}

#[cfg(not(unix))]
pub use elsewhere::{ControlSocket, ask};

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_act_that_takes_long_is_answered_without_an_entry_and_goes_on() {
        let (written, entry) = oneshot::channel();
        let (did, done) = oneshot::channel();
        let acting = async move {
            let seq = entry.await.unwrap();
            did.send(()).unwrap();
            Ok(seq)
        };
        assert_eq!(entry_of(acting).await, Ok(None));
        written.send(Seq(7)).unwrap();
        done.await.unwrap();
        assert_eq!(entry_of(async { Ok(Seq(8)) }).await, Ok(Some(Seq(8))));
        let refused = entry_of(async { Err(SteeringRefused::Seed) }).await;
        assert_eq!(refused, Err(SteeringRefused::Seed.to_string()));
    }
}
