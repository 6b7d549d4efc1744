//! Transactions whose statements are sent without waiting for the answers of those before them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::Object;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};

use crate::database::{Database, one};
use crate::failure::Failure;
use crate::value::Parameter;

/// A server ends a transaction whose client is silent for this long, so that a client that was cut
/// off does not hold its run.
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'; \
                     SET LOCAL lock_timeout = '8s'";

type Answer = Result<Vec<Row>, tokio_postgres::Error>;

/// A transaction on one connection. Dropping it before it is committed closes the connection, with
/// which the server rolls it back.
pub(crate) struct Pipeline<'d> {
    database: &'d Database,
    connection: Option<Object>,
    begun: bool,
    waiting: Vec<(String, Vec<Parameter>)>,
}

impl<'d> Pipeline<'d> {
    pub(crate) async fn begin(database: &'d Database) -> Result<Self, Failure> {
        Ok(Self {
            connection: Some(database.connection().await?),
            database,
            begun: false,
            waiting: Vec::new(),
        })
    }

    /// Adds a statement to those that are sent next.
    pub(crate) fn push(&mut self, sql: String, parameters: Vec<Parameter>) {
        self.waiting.push((sql, parameters));
    }

    /// Sends the waiting statements. Returns the rows of each, in order, or the failure of the first
    /// that failed.
    pub(crate) async fn flush(&mut self) -> Result<Vec<Vec<Row>>, Failure> {
        self.send(None).await
    }

    /// Sends the waiting statements and the commit together: if a statement failed, the commit rolls
    /// back.
    pub(crate) async fn commit(mut self) -> Result<Vec<Vec<Row>>, Failure> {
        let answers = self.send(Some("COMMIT")).await?;
        if let Some(connection) = self.connection.take() {
            drop(connection);
        }
        Ok(answers)
    }

    async fn send(&mut self, end: Option<&'static str>) -> Result<Vec<Vec<Row>>, Failure> {
        let first = usize::from(!self.begun);
        // Also if this future is dropped before it ends, the connection must not be used again.
        self.begun = true;
        let Some(connection) = &self.connection else {
            return Err(Failure::Gone("the transaction has ended".to_owned()));
        };
        let statements = std::mem::take(&mut self.waiting);
        let failed = |error: &tokio_postgres::Error| self.database.failure(error);
        // With statements that stay prepared, only the first use of each waits here.
        let mut prepared: Vec<Option<Statement>> = Vec::with_capacity(statements.len());
        for (sql, parameters) in &statements {
            prepared.push(if self.database.address.prepare {
                let types: Vec<Type> = parameters.iter().map(Parameter::sql_type).collect();
                let statement = connection.prepare_typed_cached(sql, &types).await;
                Some(statement.map_err(|error| failed(&error))?)
            } else {
                None
            });
        }
        let mut sent: Vec<Pin<Box<dyn Future<Output = Answer> + Send + '_>>> = Vec::new();
        if first == 1 {
            sent.push(Box::pin(simple(connection, BEGIN)));
        }
        for ((sql, parameters), prepared) in statements.iter().zip(&prepared) {
            sent.push(Box::pin(one(
                connection,
                sql,
                parameters,
                prepared.as_ref(),
            )));
        }
        if let Some(end) = end {
            sent.push(Box::pin(simple(connection, end)));
        }
        let mut answers = in_order(sent).await;
        if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
            return Err(failed(error));
        }
        answers.truncate(first + statements.len());
        Ok(answers.drain(first..).flatten().collect())
    }
}

impl Drop for Pipeline<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.begun
        {
            // Taken out of the pool and dropped, which closes it.
            drop(Object::take(connection));
        }
    }
}

async fn simple(connection: &Object, sql: &str) -> Answer {
    connection.batch_execute(sql).await?;
    Ok(Vec::new())
}

/// Polls the futures from first to last, so that the statements are sent in this order, until all
/// have answered.
async fn in_order(
    mut futures: Vec<Pin<Box<dyn Future<Output = Answer> + Send + '_>>>,
) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = futures.iter().map(|_| None).collect();
    let mut done = 0;
    poll_fn(|context| {
        // Answers come in the order of the statements; the first poll goes through all of them.
        for place in done..futures.len() {
            if answers[place].is_none()
                && let Poll::Ready(answer) = futures[place].as_mut().poll(context)
            {
                answers[place] = Some(answer);
            }
        }
        while answers.get(done).is_some_and(Option::is_some) {
            done += 1;
        }
        if done == futures.len() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    answers.into_iter().flatten().collect()
}
