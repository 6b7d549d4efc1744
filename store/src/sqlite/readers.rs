//! A small pool of connections that cannot write.

use std::sync::Arc;

use gepa_engine::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task;

use super::connection::open_reader;
use super::place::Place;

/// The number of reads that run at the same time.
const READERS: usize = 4;

/// The pool. In WAL mode readers never delay the writer, and the writer never delays readers.
pub(super) struct Readers {
    place: Place,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// Runs one read on a blocking thread. The whole read sees one state of the database.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &Place) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| stopped(&self.place))?;
        let (place, idle) = (self.place.clone(), Arc::clone(&self.idle));
        let reading = task::spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => open_reader(&place)?,
            };
            let result = read_once(&mut connection, &place, read);
            idle.lock().push(connection);
            result
        });
        reading.await.map_err(|_| stopped(&self.place))?
    }
}

fn read_once<T>(
    connection: &mut Connection,
    place: &Place,
    read: impl FnOnce(&Connection, &Place) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection
        .transaction()
        .map_err(|error| place.explain(&error))?;
    read(&transaction, place)
}

fn stopped(place: &Place) -> StoreError {
    StoreError::Storage(format!("{place}: the program is stopping"))
}
