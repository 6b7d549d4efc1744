//! Claims: a row per run with owner, token and expiry, in the time of the database.

use gepa_engine::{ClaimToken, RunId, StoreError, Timestamp};

use crate::database::Database;
use crate::read::{int, must_exist, of};
use crate::value::{Parameter, escaped, unescaped};

/// How long a claim holds without being renewed: an interval of SQL.
pub(crate) const LEASE: &str = "interval '5 seconds'";

/// The description of a claim of this process.
pub(crate) fn owner() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    format!(
        "process {} on {host}, since {}",
        std::process::id(),
        Timestamp::now()
    )
}

/// Gives the run to `owner`, unless a claim on it is in force.
pub(crate) async fn claim(
    database: &Database,
    run: &RunId,
    owner: &str,
) -> Result<ClaimToken, StoreError> {
    must_exist(database, run).await?;
    let sql = database.sql(&format!(
        "UPDATE {{s}}.claims SET token = token + 1, owner = $2, until = clock_timestamp() + {LEASE} \
         WHERE run_id = $1 AND until <= clock_timestamp() RETURNING token"
    ));
    let owner = Parameter::Text(escaped(owner.into()).into_owned());
    let claimed = database.rows(&sql, &[of(run), owner]).await?;
    match claimed.first() {
        Some(row) => {
            let number: i64 = row.try_get(0).unwrap_or_default();
            Ok(ClaimToken {
                run: run.clone(),
                number: number.unsigned_abs(),
            })
        }
        None => Err(StoreError::Claimed {
            run: run.clone(),
            holder: holder(database, run).await?.1,
        }),
    }
}

/// Whether a claim on the run is in force.
pub(crate) async fn is_claimed(database: &Database, run: &RunId) -> Result<bool, StoreError> {
    let sql = database.sql("SELECT until > clock_timestamp() FROM {s}.claims WHERE run_id = $1");
    let found = database.rows(&sql, &[of(run)]).await?;
    match found.first() {
        Some(row) => Ok(row.try_get(0).unwrap_or_default()),
        None => Err(StoreError::UnknownRun(run.to_string())),
    }
}

/// The token and the owner of the run's newest claim.
pub(crate) async fn holder(database: &Database, run: &RunId) -> Result<(u64, String), StoreError> {
    let sql = database.sql("SELECT token, owner FROM {s}.claims WHERE run_id = $1");
    let found = database.rows(&sql, &[of(run)]).await?;
    let row = found
        .first()
        .ok_or_else(|| StoreError::UnknownRun(run.to_string()))?;
    let token: i64 = row.try_get(0).unwrap_or_default();
    let owner: String = row.try_get(1).unwrap_or_default();
    let owner = unescaped(&owner)
        .map(std::borrow::Cow::into_owned)
        .unwrap_or_default();
    Ok((token.unsigned_abs(), owner))
}

/// The error for a token that is not that of the newest claim.
pub(crate) async fn lost(
    database: &Database,
    token: &ClaimToken,
) -> Result<Option<StoreError>, StoreError> {
    let (newest, owner) = holder(database, &token.run).await?;
    Ok((newest != token.number).then(|| StoreError::ClaimLost {
        run: token.run.clone(),
        owner,
    }))
}

/// Ends a claim, if it is still the newest one.
pub(crate) fn release_sql(database: &Database) -> String {
    database.sql("UPDATE {s}.claims SET until = '-infinity' WHERE run_id = $1 AND token = $2")
}

pub(crate) fn release_values(token: &ClaimToken) -> [Parameter; 2] {
    [of(&token.run), int(token.number)]
}
