//! Laying all settings over what a program has: nothing of it, or all.

use cutaway_scheduler::ClassTable;

use super::fault::{ConfigRefused, Fault, Place, nearest, suggestion};
use super::key::{Change, KeyPath, Section};
use super::{Config, Mention, Serving, Setting};
use crate::bound::{self, Range};
use crate::effect::Settings;
use crate::effect::directory::DirectoryBounds;
use crate::effect::sqlite::SqliteBounds;
use crate::limits::Limits;

/// What a program has set itself.
pub(crate) struct Base<'a> {
    pub serving: &'a mut Serving,
    pub limits: &'a mut Limits,
    pub classes: &'a mut ClassTable,
    /// By name; none where it is not known which there are.
    pub resources: Option<&'a mut [(&'static str, Settings)]>,
}

impl Config {
    /// Sets everything that is configured.
    ///
    /// # Errors
    /// Everything that is wrong, at once; nothing has been set then.
    pub(crate) fn settle(&self, base: Base<'_>) -> Result<(), ConfigRefused> {
        let winners = self.winners();
        let mut faults = self.faults.clone();
        faults.extend(self.unknown_entries(&base));
        faults.extend(self.limits_out_of_range(base.limits, &winners));
        faults.extend(resources_out_of_range(&base, &winners));
        if !faults.is_empty() {
            return Err(ConfigRefused::of(faults));
        }
        apply(&winners, base);
        Ok(())
    }

    /// For each key that is set the strongest setting, and the latest of several that are as strong.
    fn winners(&self) -> Vec<&Setting> {
        let mut winners: Vec<&Setting> = Vec::new();
        for setting in &self.settings {
            match winners
                .iter_mut()
                .find(|known| known.competes_with(setting))
            {
                None => winners.push(setting),
                Some(known) if known.place.rank() <= setting.place.rank() => *known = setting,
                Some(_) => {}
            }
        }
        winners
    }

    /// Classes and resources that there are not.
    fn unknown_entries(&self, base: &Base<'_>) -> Vec<Fault> {
        let classes: Vec<&str> = base.classes.iter().map(|(_, class)| class.name).collect();
        let resources = base.resources.as_deref();
        let resources: Option<Vec<&str>> =
            resources.map(|known| known.iter().map(|(name, _)| *name).collect());
        let fault = |mention: &Mention| {
            let Mention {
                section,
                entry,
                place,
            } = mention;
            let (kind, names) = match section {
                Section::Classes => ("class", &classes),
                Section::Resources => ("resource", resources.as_ref()?),
                Section::Server | Section::Limits => return None,
            };
            if names.iter().any(|name| place.names(entry, name)) {
                return None;
            }
            let names: Vec<String> = names.iter().map(|name| place.spelled(name)).collect();
            let near = nearest(&place.spelled(entry), names.iter().cloned());
            // There are few, so that where none is near all can be told.
            let hint = match near {
                Some(near) => suggestion(Some(place.with_entry(entry, &near))),
                None if names.is_empty() => "; there is none".to_owned(),
                None => format!("; there is `{}`", names.join("`, `")),
            };
            let text = format!("unknown {kind} `{entry}`{hint}");
            Some(Fault::new(place.clone(), text))
        };
        self.mentions.iter().filter_map(fault).collect()
    }

    /// Limits that cannot hold beside each other, and those of the program that cannot hold at all.
    fn limits_out_of_range(&self, limits: &Limits, winners: &[&Setting]) -> Vec<Fault> {
        let mut limits = limits.clone();
        for setting in winners {
            if let Change::Limit(bound, amount) = &setting.change {
                (bound.set)(&mut limits, *amount);
            }
        }
        let is_limit = |path: &KeyPath, name: &str| {
            path.key.section == Section::Limits && path.key.name == name
        };
        let has_fault = |name: &&str| {
            let mut paths = self.faults.iter().filter_map(|fault| fault.path.as_ref());
            paths.any(|path| is_limit(path, name))
        };
        let place = |name: &&str| {
            let mut winners = winners.iter();
            let setting = winners.find(|setting| is_limit(&setting.path, name))?;
            Some(setting.place.clone())
        };
        let mut faults = Vec::new();
        for (range, refusal) in bound::refusals(&limits, Limits::BOUNDS) {
            let concerned: Vec<&str> = std::iter::once(range.name)
                .chain(range.neighbours())
                .collect();
            // Where one of them is told already, its value here is not the one that was meant.
            if concerned.iter().any(has_fault) {
                continue;
            }
            let place = concerned.iter().find_map(place).unwrap_or(Place::Program);
            let text = format!("`limits.{}` {refusal}", range.name);
            faults.push(Fault::new(place, text));
        }
        faults
    }
}

/// Bounds of resources that the program has set to what cannot hold, and keys of another kind of
/// resource.
fn resources_out_of_range(base: &Base<'_>, winners: &[&Setting]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (name, settings) in base.resources.as_deref().unwrap_or_default() {
        let mut out_of_range = |refusals: Vec<(&Range, String)>| {
            faults.extend(refusals.into_iter().map(|(range, refusal)| {
                let text = format!("`resources.{name}.{}` {refusal}", range.name);
                Fault::new(Place::Program, text)
            }));
        };
        let own = winners.iter().filter(|setting| setting.is_for(name));
        let mut foreign = Vec::new();
        match settings {
            Settings::Sqlite(sqlite) => {
                let mut bounds = sqlite.bounds().clone();
                for setting in own {
                    match &setting.change {
                        Change::Sqlite(bound, amount) => (bound.set)(&mut bounds, *amount),
                        Change::Directory(..) => foreign.push((*setting, "Sqlite")),
                        _ => {}
                    }
                }
                out_of_range(bound::refusals(&bounds, SqliteBounds::BOUNDS));
            }
            Settings::Directory(directory) => {
                let mut bounds = directory.bounds().clone();
                for setting in own {
                    match &setting.change {
                        Change::Directory(bound, amount) => (bound.set)(&mut bounds, *amount),
                        Change::Sqlite(..) => foreign.push((*setting, "Directory")),
                        _ => {}
                    }
                }
                out_of_range(bound::refusals(&bounds, DirectoryBounds::BOUNDS));
            }
        }
        faults.extend(foreign.into_iter().map(|(setting, kind)| {
            let text = format!("`{}` is no key of a `{kind}`", setting.path);
            Fault::new(setting.place.clone(), text)
        }));
    }
    faults
}

fn apply(winners: &[&Setting], base: Base<'_>) {
    let resources = base.resources.unwrap_or_default();
    for setting in winners {
        let resource = (resources.iter_mut())
            .find(|(name, _)| setting.is_for(name))
            .map(|(_, settings)| settings);
        match (&setting.change, resource) {
            (Change::Address(address), _) => base.serving.address = *address,
            (Change::Shards(count), _) => base.serving.shards = Some(*count),
            (Change::Trace(mode), _) => base.serving.trace = *mode,
            (Change::Limit(bound, amount), _) => (bound.set)(base.limits, *amount),
            (Change::Deadline(deadline), _) => {
                let class = (base.classes.iter())
                    .find_map(|(id, class)| setting.is_for(class.name).then_some(id));
                if let Some(id) = class {
                    let set = base.classes.set_deadline(id, *deadline);
                    set.expect("the range of a deadline begins above zero");
                }
            }
            (Change::Path(path), Some(Settings::Sqlite(sqlite))) => sqlite.set_path(path),
            (Change::Path(path), Some(Settings::Directory(directory))) => directory.set_path(path),
            (Change::Sqlite(bound, amount), Some(Settings::Sqlite(sqlite))) => {
                (bound.set)(sqlite.bounds_mut(), *amount);
            }
            (Change::Directory(bound, amount), Some(Settings::Directory(directory))) => {
                (bound.set)(directory.bounds_mut(), *amount);
            }
            // Of a program whose resources are not known; of another kind it is a fault already.
            (Change::Path(_) | Change::Sqlite(..) | Change::Directory(..), _) => {}
        }
    }
}

impl Setting {
    /// Whether both set the same key.
    fn competes_with(&self, other: &Setting) -> bool {
        let is_same_key = self.path.key.section == other.path.key.section
            && self.path.key.name == other.path.key.name;
        is_same_key
            && match (&self.path.entry, &other.path.entry) {
                (Some(own), Some(theirs)) => {
                    self.place.names(own, theirs) || other.place.names(theirs, own)
                }
                _ => true,
            }
    }

    /// Whether it is about the class or the resource of this name.
    fn is_for(&self, name: &str) -> bool {
        let entry = self.path.entry.as_ref();
        entry.is_some_and(|entry| self.place.names(entry, name))
    }
}
