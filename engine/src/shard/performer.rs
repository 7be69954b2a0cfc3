//! What performs a resource's effects for this shard, whatever kind of resource it is.

use cutaway_reactor::Backend;

use crate::effect::ResultBuffer;
use crate::effect::directory::{FileEffects, FileJob};
use crate::effect::sqlite::{SqliteEffects, SqliteJob};

/// A shard's face of a resource. A resource has one place in the routes' list, and this has the same.
pub(crate) enum Performer<B: Backend> {
    Database(SqliteEffects<B::Port<SqliteJob>>),
    Directory(FileEffects<B::Port<FileJob>>),
}

impl<B: Backend> Performer<B> {
    /// The database that statements are for.
    pub fn database(&mut self) -> &mut SqliteEffects<B::Port<SqliteJob>> {
        match self {
            Performer::Database(database) => database,
            Performer::Directory(_) => unreachable!("only a database's handle makes statements"),
        }
    }

    /// The directory that files are for.
    pub fn directory(&mut self) -> &mut FileEffects<B::Port<FileJob>> {
        match self {
            Performer::Directory(directory) => directory,
            Performer::Database(_) => unreachable!("only a directory's handle names files"),
        }
    }

    /// Takes back what was lent to a request.
    pub fn recycle(&mut self, buffer: ResultBuffer) {
        self.database().recycle(buffer);
    }

    /// How many files are under way.
    pub fn uploads_count(&self) -> usize {
        match self {
            Performer::Database(_) => 0,
            Performer::Directory(directory) => directory.uploads_count(),
        }
    }

    /// How many jobs are on their way.
    pub fn in_flight(&self) -> usize {
        match self {
            Performer::Database(database) => database.in_flight(),
            Performer::Directory(directory) => directory.in_flight(),
        }
    }

    /// The shard is about to block. True where a job is back already.
    pub fn prepare_sleep(&mut self) -> bool {
        match self {
            Performer::Database(database) => database.prepare_sleep(),
            Performer::Directory(directory) => directory.prepare_sleep(),
        }
    }
}
