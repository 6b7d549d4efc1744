//! The pool of connections, and single statements.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use gepa_engine::StoreError;
use gepa_engine::record::{ColumnKind, Stored, StoredColumn};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use crate::address::{Address, Causes, Tls};
use crate::failure::Failure;
use crate::tls::Encryption;
use crate::value::{Columns, Parameter, sql_type};

/// How long a task waits for a free connection, and for a new one.
const WAIT: Duration = Duration::from_secs(30);

/// Connections to one schema of one database.
#[derive(Clone)]
pub(crate) struct Database {
    pub(crate) address: Address,
    pool: Pool,
    /// The columns that the tables lacked when the schema was opened for reading only.
    pub(crate) lacking: Vec<StoredColumn>,
}

impl Database {
    /// Sets the pool up; no connection is made yet.
    pub(crate) fn new(address: Address) -> Result<Self, StoreError> {
        let manager = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let config = address.config.clone();
        let manager = match &address.tls {
            Tls::Off => Manager::from_config(config, tokio_postgres::NoTls, manager),
            Tls::Verified(root) => {
                Manager::from_config(config, Encryption::new(root.as_deref())?, manager)
            }
        };
        let pool = Pool::builder(manager)
            .max_size(address.connections)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StoreError::Storage(format!("{address}: {error}")))?;
        Ok(Self {
            address,
            pool,
            lacking: Vec::new(),
        })
    }

    /// A free connection.
    pub(crate) async fn connection(&self) -> Result<Object, Failure> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => self.failure(&error),
            other => Failure::Gone(Causes(&other).to_string()),
        })
    }

    /// The SQL with the name of the schema in place of `{s}`.
    pub(crate) fn sql(&self, text: &str) -> String {
        text.replace("{s}", &self.address.schema)
    }

    pub(crate) fn failure(&self, error: &tokio_postgres::Error) -> Failure {
        Failure::of(&self.address, error)
    }

    /// The rows of one statement outside a transaction. A reader whose connection was cut before it
    /// asked gets another one.
    pub(crate) async fn rows(
        &self,
        sql: &str,
        parameters: &[Parameter],
    ) -> Result<Vec<Row>, StoreError> {
        let mut tries = 0;
        loop {
            let failure = match self.try_rows(sql, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            tries += 1;
            if !matches!(failure, Failure::Gone(_)) || tries > self.address.connections + 1 {
                return Err(failure.into_error(&self.address));
            }
        }
    }

    async fn try_rows(&self, sql: &str, parameters: &[Parameter]) -> Result<Vec<Row>, Failure> {
        let connection = self.connection().await?;
        let rows = self.query(&connection, sql, parameters).await;
        rows.map_err(|error| self.failure(&error))
    }

    /// The rows of one statement on a connection.
    pub(crate) async fn query(
        &self,
        connection: &Object,
        sql: &str,
        parameters: &[Parameter],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let mut statement = None;
        if self.address.prepare {
            let types: Vec<Type> = parameters.iter().map(Parameter::sql_type).collect();
            statement = Some(connection.prepare_typed_cached(sql, &types).await?);
        }
        one(connection, sql, parameters, statement.as_ref()).await
    }

    /// The columns of a row type for a SELECT, with null for a column that the table lacks.
    pub(crate) fn columns<R: Stored>(&self) -> String {
        let is_lacking = |name: &str| {
            let mut lacking = self.lacking.iter();
            lacking.any(|column| (column.table, column.name) == (R::TABLE, name))
        };
        let columns = R::COLUMNS.iter().zip(R::kinds()).map(|(name, kind)| {
            if is_lacking(name) {
                return format!("NULL::{} AS {name}", sql_type(kind));
            }
            (*name).to_owned()
        });
        columns.collect::<Vec<_>>().join(", ")
    }

    /// The SELECT of a row type, without a WHERE.
    pub(crate) fn select<R: Stored>(&self) -> String {
        format!(
            "SELECT {} FROM {}.{}",
            self.columns::<R>(),
            self.address.schema,
            R::TABLE
        )
    }

    /// Rows of one table.
    pub(crate) async fn read<R: Stored>(
        &self,
        what: impl fmt::Display,
        sql: &str,
        parameters: &[Parameter],
    ) -> Result<Vec<R>, StoreError> {
        let found = self.rows(sql, parameters).await?;
        decoded(what, &found)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Database({})", self.address)
    }
}

/// The rows of one statement, which may be prepared.
pub(crate) async fn one(
    connection: &Object,
    sql: &str,
    parameters: &[Parameter],
    prepared: Option<&Statement>,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if let Some(statement) = prepared {
        let values: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(as_value).collect();
        return connection.query(statement, &values).await;
    }
    let typed = parameters
        .iter()
        .map(|value| (as_value(value), value.sql_type()));
    connection
        .query_typed(sql, &typed.collect::<Vec<_>>())
        .await
}

fn as_value(parameter: &Parameter) -> &(dyn ToSql + Sync) {
    parameter
}

/// Rows of one table from what a statement found.
pub(crate) fn decoded<R: Stored>(
    what: impl fmt::Display,
    found: &[Row],
) -> Result<Vec<R>, StoreError> {
    let kinds: Vec<ColumnKind> = R::kinds().collect();
    let rows = found.iter().map(|row| Columns::new(row, &kinds).row());
    rows.collect::<Result<_, String>>()
        .map_err(|detail| damaged(what, detail))
}

pub(crate) fn damaged(what: impl fmt::Display, detail: String) -> StoreError {
    StoreError::Damaged {
        what: what.to_string(),
        detail,
    }
}
