//! Connections that only read, used off the I/O threads.

use super::{StoreError, sqlite};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// More would only wait for the same disk.
const CONNECTIONS: usize = 8;

#[derive(Clone)]
pub(super) struct Readers {
    file: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(file: PathBuf) -> Readers {
        Readers {
            file: Arc::new(file),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// What the connections read.
    pub(super) fn file(&self) -> &std::path::Path {
        &self.file
    }

    /// Runs `read` on a thread that may wait; it sees every commit answered before the call.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let readers = self.clone();
        let work = move || {
            let _permit = permit;
            readers.on_connection(read)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(|error| StoreError::Storage(error.to_string())),
            Err(_) => Err(StoreError::Closed),
        }
    }

    fn on_connection<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sqlite::open_reader(&self.file)?,
        };
        let result = read(&connection)?;
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        Ok(result)
    }
}
