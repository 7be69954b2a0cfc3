//! Variables of the environment.

use std::ffi::OsString;
use std::path::Path;

use super::Config;
use super::fault::{Fault, Place, nearest, suggestion};
use super::key::{KeyPath, Section, keys};
use super::raw::Raw;

/// What the variables of the engine begin with.
const PREFIX: &str = "CUTAWAY_";

/// Takes what the variables say, and notes what is wrong with them.
pub(super) fn read(config: &mut Config, variables: impl Iterator<Item = (OsString, OsString)>) {
    for (name, value) in variables {
        // A name that is no text is not one of ours.
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let place = Place::Variable(format!("{PREFIX}{rest}"));
        match key_of(rest) {
            Ok(path) => match value.to_str() {
                Some(value) => {
                    if let Some(entry) = &path.entry {
                        config.mention(path.key.section, entry, place.clone());
                    }
                    config.take(path, place, Raw::Loose(value), Path::new(""));
                }
                None => {
                    let text = format!("`{path}` is not UTF-8; it takes {}", path.key.takes);
                    config.faults.push(Fault::of_key(place, path, text));
                }
            },
            Err(Stranger::Mistyped(near)) => {
                let text = format!("no key has this variable{}", suggestion(near));
                config.faults.push(Fault::new(place, text));
            }
            Err(Stranger::SomebodyElses) => {}
        }
    }
}

/// A key's variable, without the prefix.
pub(super) fn rest_of(path: &KeyPath) -> String {
    path.to_string().replace('.', "__").to_ascii_uppercase()
}

/// A variable that is no key's.
enum Stranger {
    /// It was meant to be; with what was most likely meant.
    Mistyped(Option<String>),
    /// It has the engine's prefix, but need not be for its configuration.
    SomebodyElses,
}

/// The key of a variable, told by what stands behind the prefix.
fn key_of(rest: &str) -> Result<KeyPath, Stranger> {
    let parts: Vec<&str> = rest.split("__").collect();
    let known = match parts[..] {
        [section, name] => known_key(section, None, name),
        [section, entry, name] => known_key(section, Some(entry), name),
        _ => None,
    };
    if let Some(path) = known {
        return Ok(path);
    }
    let entry = match parts[..] {
        [_, entry, _] => entry,
        _ => "NAME",
    };
    let candidates = keys().map(|key| {
        let entry = key.section.has_entries().then_some(entry);
        rest_of(&KeyPath::new(key, entry))
    });
    if parts.len() > 1 {
        let near =
            nearest(&rest.to_ascii_uppercase(), candidates).map(|near| format!("{PREFIX}{near}"));
        return Err(Stranger::Mistyped(near));
    }
    // One underscore where there should be two is the likeliest mistake of all.
    let candidates: Vec<String> = candidates.collect();
    let with_one = candidates.iter().map(|name| name.replace("__", "_"));
    let Some(near) = nearest(&rest.to_ascii_uppercase(), with_one) else {
        return Err(Stranger::SomebodyElses);
    };
    let meant = (candidates.iter()).find(|name| name.replace("__", "_") == near);
    Err(Stranger::Mistyped(
        meant.map(|name| format!("{PREFIX}{name}")),
    ))
}

fn known_key(section: &str, entry: Option<&str>, name: &str) -> Option<KeyPath> {
    let is_in_capitals = |text: &str, word: &str| text == word.to_ascii_uppercase();
    let section = Section::ALL
        .into_iter()
        .find(|known| is_in_capitals(section, known.name()))?;
    if section.has_entries() != entry.is_some() {
        return None;
    }
    let key = section.keys().find(|key| is_in_capitals(name, key.name))?;
    Some(KeyPath::new(key, entry))
}
