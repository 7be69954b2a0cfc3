//! What a run leaves behind: one line of JSON in `loadtest/record/`, with all that is needed to do
//! it again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::{During, Failure};

/// The folder of records in the source tree that this program was built from.
pub fn default_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("record")
}

/// Appends `record` as one line to `NAME.jsonl` in `folder`; returns the file.
///
/// *Errors*: the system's.
pub fn append(folder: &Path, name: &str, record: &impl Serialize) -> Result<PathBuf, Failure> {
    let file = folder.join(format!("{name}.jsonl"));
    let mut line = serde_json::to_vec(record).map_err(|error| Failure::Tool {
        tool: "record",
        what: error.to_string(),
    })?;
    line.push(b'\n');
    fs::create_dir_all(folder).during(|| format!("make {}", folder.display()))?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut file| file.write_all(&line))
        .during(|| format!("append to {}", file.display()))?;
    Ok(file)
}
