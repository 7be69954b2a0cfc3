//! Lists in pages, newest first. A page is named by the id it comes before, so it stays what it is
//! while others write, and the database steps over nothing to find it.

use cutaway::Failure;
use cutaway::prelude::*;

slot!(pub Before: i64 = query "before" or i64::MAX);
slot!(pub Limit: PageSize = query "limit" or PageSize(20));

/// How many entries a page has: 1 to 100.
#[derive(Clone, Copy, Debug)]
pub struct PageSize(u32);

impl FromText<'_> for PageSize {
    fn from_text(text: &str) -> Option<PageSize> {
        let size = text.parse().ok()?;
        (1..=100).contains(&size).then_some(PageSize(size))
    }
}

impl PageSize {
    /// How many rows to ask for: one more than fits tells whether there is a next page.
    pub fn rows(self) -> u32 {
        self.0 + 1
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<'r, T> {
    pub entries: &'r [T],
    /// The query of the next page, if there is one.
    pub next: Option<String>,
    pub is_first: bool,
}

impl<'r, T> Page<'r, T> {
    /// The page of this size before an id, from the rows that were found for it.
    pub fn of(rows: &'r [T], before: i64, size: PageSize, id: fn(&T) -> i64) -> Page<'r, T> {
        let PageSize(limit) = size;
        let (entries, beyond) = rows.split_at(rows.len().min(limit as usize));
        let last = entries.last().filter(|_| !beyond.is_empty());
        Page {
            entries,
            next: last.map(|last| format!("?before={}&limit={limit}", id(last))),
            is_first: before == i64::MAX,
        }
    }
}

/// Says the address of the next page in the head too (RFC 8288).
pub fn link_to_next<A, B, C>(cx: &mut Cx<'_, A, B, C>, next: Option<&str>) -> Result<(), Failure> {
    match next {
        Some(next) => cx.response_header("Link", &format!("<{next}>; rel=\"next\"")),
        None => Ok(()),
    }
}
