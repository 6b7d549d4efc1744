//! Store URLs.

use std::path::PathBuf;
use std::sync::Arc;

use gepa_engine::{RunId, Store, StoreError};

use crate::{Difference, MemoryStore, SqliteStore, rebuild};

/// The location of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Location {
    Memory,
    Sqlite(PathBuf),
}

/// Opens the store at a URL and creates it if there is none: `sqlite://PATH`, where PATH is
/// relative to the current directory unless it begins with `/`, or `memory:` (also
/// `sqlite::memory:`).
pub fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match parse(url)? {
        Location::Memory => Ok(Arc::new(MemoryStore::new())),
        Location::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path)?)),
    }
}

/// Opens the store at a URL for reading only; it must exist.
pub fn open_existing(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    match parse(url)? {
        Location::Memory => Err(StoreError::Storage(format!(
            "`{url}` ends with the program that wrote it; name a store of the form sqlite://PATH"
        ))),
        Location::Sqlite(path) => Ok(Arc::new(SqliteStore::open_existing(path)?)),
    }
}

/// Rebuilds a run's rows from its journal and returns where they differed. It is refused while
/// another process writes the run.
pub async fn repair(url: &str, run: &RunId) -> Result<Vec<Difference>, StoreError> {
    let Location::Sqlite(path) = parse(url)? else {
        return Ok(Vec::new());
    };
    // A repair must not create a store.
    drop(SqliteStore::open_existing(path.clone())?);
    let store = SqliteStore::open(path)?;
    let _claim = store.claim(run).await?;
    let differences = rebuild(&store, run).await?;
    if !differences.is_empty() {
        store.reproject(run).await?;
    }
    Ok(differences)
}

/// Whether the store at a URL ends with the process that opened it.
pub fn is_in_memory(url: &str) -> bool {
    matches!(parse(url), Ok(Location::Memory))
}

/// A store's URL as it may be shown: `***` stands for a password.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url
        .split_once("://")
        .filter(|(scheme, _)| *scheme != "sqlite")
    else {
        return url.to_owned();
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut shown = match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:***@{host}"),
            None => format!("{scheme}://{user}@{host}"),
        },
        None => format!("{scheme}://{place}"),
    };
    for (place, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        shown.push(if place == 0 { '?' } else { '&' });
        shown.push_str(if pair.starts_with("password=") {
            "password=***"
        } else {
            pair
        });
    }
    shown
}

fn parse(url: &str) -> Result<Location, StoreError> {
    if matches!(url, "memory:" | "sqlite::memory:" | "sqlite://:memory:") {
        return Ok(Location::Memory);
    }
    match url.strip_prefix("sqlite://") {
        Some(path) if !path.is_empty() => Ok(Location::Sqlite(path.into())),
        _ => Err(StoreError::Storage(format!(
            "`{}` names no store; expected sqlite://PATH, such as sqlite://.gepa/gepa.db, or memory:; the \
             command `gepa` also takes postgres://USER@HOST/DATABASE",
            without_password(url)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<&Location>) {
        assert_eq!(parse(url).ok().as_ref(), expected, "{url}");
    }

    #[test]
    fn urls_name_a_file_or_memory_and_nothing_else() {
        check("memory:", Some(&Location::Memory));
        check("sqlite::memory:", Some(&Location::Memory));
        let (relative, absolute) = ("a/b.db".into(), "/a/b.db".into());
        check("sqlite://a/b.db", Some(&Location::Sqlite(relative)));
        check("sqlite:///a/b.db", Some(&Location::Sqlite(absolute)));
        check("sqlite://", None);
        check("a/b.db", None);
        check("postgres://host/name", None);
        check("", None);
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("sqlite://a:b@c.db", "sqlite://a:b@c.db"),
            ("postgres://host/db", "postgres://host/db"),
            ("postgre://me:secret@host/db", "postgre://me:***@host/db"),
            ("postgres://me@host/db?x=1", "postgres://me@host/db?x=1"),
            (
                "postgres://me:p@ss@host/db?a=1&password=p&b=2",
                "postgres://me:***@host/db?a=1&password=***&b=2",
            ),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
