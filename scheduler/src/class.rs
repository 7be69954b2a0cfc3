//! Traffic classes: what kind of request it is, and how long one of its kind may take.

use std::fmt;

use crate::Nanos;

/// How many classes there may be. Eight heads are compared faster than any heap is kept.
pub const CLASSES_MAX: usize = 8;

/// The classes of a process, fixed before the first request.
///
/// The default has the three built-in ones.
///
/// ```
/// use cutaway_scheduler::{Class, ClassId, ClassTable, Nanos};
///
/// let mut classes = ClassTable::default();
/// let bulk = Class { name: "bulk", deadline: Nanos::from_secs(30) };
/// let bulk = classes.add(bulk)?;
/// classes.set_deadline(ClassId::BATCH, Nanos::from_secs(5))?;
///
/// assert_eq!(classes.count(), 4);
/// assert_eq!(classes.find("bulk"), Some(bulk));
/// assert_eq!(classes.class(ClassId::BATCH).deadline, Nanos::from_secs(5));
/// let names: Vec<_> = classes.iter().map(|(_, class)| class.name).collect();
/// assert_eq!(names, ["interactive", "standard", "batch", "bulk"]);
/// # Ok::<(), cutaway_scheduler::ClassRefusal>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassTable(Vec<Class>);

impl ClassTable {
    /// Adds a class after the built-in ones.
    ///
    /// # Errors
    /// The table is full, the name is taken, or the deadline is zero.
    pub fn add(&mut self, class: Class) -> Result<ClassId, ClassRefusal> {
        if self.0.iter().any(|known| known.name == class.name) {
            return Err(ClassRefusal::NameTaken);
        }
        if class.deadline == Nanos::ZERO {
            return Err(ClassRefusal::DeadlineZero);
        }
        let id = u8::try_from(self.0.len())
            .ok()
            .and_then(ClassId::new)
            .ok_or(ClassRefusal::TableFull)?;
        self.0.push(class);
        Ok(id)
    }

    /// Replaces the relative deadline of a class.
    ///
    /// # Errors
    /// The deadline is zero.
    ///
    /// # Panics
    /// The class is not in this table.
    pub fn set_deadline(&mut self, id: ClassId, deadline: Nanos) -> Result<(), ClassRefusal> {
        if deadline == Nanos::ZERO {
            return Err(ClassRefusal::DeadlineZero);
        }
        self.0[id.index()].deadline = deadline;
        Ok(())
    }

    /// The class of an id.
    ///
    /// # Panics
    /// The id is not of this table.
    pub fn class(&self, id: ClassId) -> &Class {
        &self.0[id.index()]
    }

    /// The class that bears this name.
    pub fn find(&self, name: &str) -> Option<ClassId> {
        self.iter()
            .find_map(|(id, class)| (class.name == name).then_some(id))
    }

    /// All classes, in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ClassId, &Class)> {
        (self.0.iter().enumerate()).map(|(index, class)| (ClassId::at(index), class))
    }

    /// How many classes there are; at least the three built-in ones.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Default for ClassTable {
    fn default() -> ClassTable {
        let built_in = [
            ("interactive", Nanos::from_millis(10)),
            ("standard", Nanos::from_millis(100)),
            ("batch", Nanos::from_secs(2)),
        ];
        ClassTable(
            built_in
                .map(|(name, deadline)| Class { name, deadline })
                .to_vec(),
        )
    }
}

/// One traffic class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// How it is called in configuration, metrics and timelines.
    pub name: &'static str,
    /// How long a request of this class may take, from its complete head to its response's head.
    pub deadline: Nanos,
}

/// Names a class of a [`ClassTable`].
///
/// ```
/// use cutaway_scheduler::{CLASSES_MAX, ClassId};
///
/// assert_eq!(ClassId::new(1), Some(ClassId::STANDARD));
/// assert_eq!(ClassId::STANDARD.index(), 1);
/// assert_eq!(ClassId::new(CLASSES_MAX as u8), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(u8);

impl ClassId {
    /// A human waits and watches: 10 ms.
    pub const INTERACTIVE: ClassId = ClassId(0);
    /// What a route is unless it says otherwise: 100 ms.
    pub const STANDARD: ClassId = ClassId(1);
    /// Nobody waits: 2 s.
    pub const BATCH: ClassId = ClassId(2);

    /// The id of so high a class; none from [`CLASSES_MAX`] on.
    pub const fn new(index: u8) -> Option<ClassId> {
        if (index as usize) < CLASSES_MAX {
            Some(ClassId(index))
        } else {
            None
        }
    }

    /// Its place in the table; below [`CLASSES_MAX`].
    pub const fn index(self) -> usize {
        // No other number is ever made; the remainder tells the compiler so.
        self.0 as usize % CLASSES_MAX
    }

    /// The id of a place that is known to lie below the bound.
    pub(crate) fn at(index: usize) -> ClassId {
        debug_assert!(index < CLASSES_MAX);
        ClassId(index as u8)
    }
}

impl Default for ClassId {
    fn default() -> ClassId {
        ClassId::STANDARD
    }
}

/// Why a class was refused. All of them are mistakes in a set-up: tell its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassRefusal {
    /// There are [`CLASSES_MAX`] classes already.
    TableFull,
    /// Another class bears this name.
    NameTaken,
    /// No request could ever meet it.
    DeadlineZero,
}

impl fmt::Display for ClassRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClassRefusal::TableFull => write!(f, "there are {CLASSES_MAX} classes already"),
            ClassRefusal::NameTaken => f.write_str("another class bears this name"),
            ClassRefusal::DeadlineZero => f.write_str("a deadline of zero can never be met"),
        }
    }
}

impl std::error::Error for ClassRefusal {}

#[cfg(test)]
mod tests {
    use super::*;

    const BULK: Class = Class {
        name: "bulk",
        deadline: Nanos::from_secs(30),
    };

    #[test]
    fn the_built_in_classes_stand_where_their_constants_say() {
        let table = ClassTable::default();
        let check = |id: ClassId, name: &str, millis: u64| {
            assert_eq!(table.class(id).name, name);
            assert_eq!(table.class(id).deadline, Nanos::from_millis(millis));
            assert_eq!(table.find(name), Some(id));
        };
        check(ClassId::INTERACTIVE, "interactive", 10);
        check(ClassId::STANDARD, "standard", 100);
        check(ClassId::BATCH, "batch", 2_000);
        assert_eq!(table.count(), 3);
        assert_eq!(table.find("none such"), None);
    }

    #[test]
    fn an_added_class_is_found_and_bad_ones_are_refused() {
        let mut table = ClassTable::default();
        let bulk = table.add(BULK).expect("there is room");
        assert_eq!(bulk.index(), 3);
        assert_eq!(table.find("bulk"), Some(bulk));
        assert_eq!(table.add(BULK), Err(ClassRefusal::NameTaken));
        let never = Class {
            name: "never",
            deadline: Nanos::ZERO,
        };
        assert_eq!(table.add(never), Err(ClassRefusal::DeadlineZero));
        assert_eq!(table.count(), 4);
    }

    #[test]
    fn the_ninth_class_is_refused() {
        let mut table = ClassTable::default();
        for name in ["d", "e", "f", "g", "h"] {
            table.add(Class { name, ..BULK }).expect("there is room");
        }
        assert_eq!(table.count(), CLASSES_MAX);
        assert_eq!(table.add(BULK), Err(ClassRefusal::TableFull));
        assert_eq!(ClassId::new(7).map(ClassId::index), Some(7));
        assert_eq!(ClassId::new(8), None);
    }

    #[test]
    fn a_deadline_can_be_replaced_but_not_by_zero() {
        let mut table = ClassTable::default();
        let second = Nanos::from_secs(1);
        assert_eq!(table.set_deadline(ClassId::BATCH, second), Ok(()));
        assert_eq!(table.class(ClassId::BATCH).deadline, second);
        let refused = table.set_deadline(ClassId::BATCH, Nanos::ZERO);
        assert_eq!(refused, Err(ClassRefusal::DeadlineZero));
        assert_eq!(table.class(ClassId::BATCH).deadline, second);
    }
}
