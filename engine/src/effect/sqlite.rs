//! stand-in
#![allow(missing_docs)]
#[derive(Debug)]
pub struct Sqlite {
    path: std::path::PathBuf,
    readers: u16,
    busy_timeout: std::time::Duration,
}
impl Sqlite {
    pub fn open(path: impl Into<std::path::PathBuf>) -> Sqlite {
        Sqlite {
            path: path.into(),
            readers: 1,
            busy_timeout: std::time::Duration::from_secs(5),
        }
    }
    pub fn readers(mut self, n: u16) -> Self {
        self.readers = n;
        self
    }
    pub fn busy_timeout(mut self, d: std::time::Duration) -> Self {
        self.busy_timeout = d;
        self
    }
}
