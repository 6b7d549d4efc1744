//! `gepa open`

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitCode, Stdio};

use gepa_server::Viewer;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::arguments::OpenArguments;
use crate::error::CommandError;
use crate::output::{err, people};
use crate::signals::Signals;
use crate::surroundings::{environment, existing_store, find_run, store_url};

/// The program that opens an address in the user's browser.
const BROWSER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

pub(crate) fn open(arguments: &OpenArguments) -> Result<ExitCode, CommandError> {
    let runtime = Runtime::new().map_err(CommandError::Runtime)?;
    runtime.block_on(show(arguments))
}

async fn show(arguments: &OpenArguments) -> Result<ExitCode, CommandError> {
    let mut signals = Signals::new().map_err(CommandError::Runtime)?;
    let store = existing_store(&arguments.store).await?;
    let page = match &arguments.run {
        Some(name) => format!("/run/{}", find_run(&*store, name).await?.run_id),
        None => "/".to_owned(),
    };
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let bind = |error: io::Error| {
        CommandError::Usage(format!(
            "cannot listen on {wanted}: {error}; name another port with --port"
        ))
    };
    let listener = TcpListener::bind(wanted).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let environment = environment()?;
    let url = store_url(&arguments.store, &environment);
    let viewer = Viewer::new(store, environment, move || {
        let url = url.clone();
        Box::pin(async move { gepa_postgres::open(&url).await })
    });
    // What follows `#` is not sent to any server and stands in no log.
    let url = format!("http://{address}/#{page}?token={}", viewer.token());
    let mut out = people();
    writeln!(out, "{url}")?;
    out.flush()?;
    if !arguments.no_browser {
        start_browser(&url);
    }
    let (close, closing) = watch::channel(false);
    let serving = viewer.serve(listener, closing);
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => {}
        () = signals.next() => {
            close.send_replace(true);
            tokio::select! {
                () = &mut serving => {}
                () = signals.next() => {}
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn start_browser(url: &str) {
    let started = Command::new(BROWSER)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        // The address is on stdout, so the user can go on without it.
        let _ = writeln!(
            err(),
            "no browser was started (`{BROWSER}`: {error}); open the address above in one"
        );
    }
}
