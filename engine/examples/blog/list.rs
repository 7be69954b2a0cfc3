//! Lists in pages, newest first. A page is named by the id it comes before, so it stays what it is
//! while others write, and the database steps over nothing to find it.

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

    /// The entries of the page, and the query of the next page if there is one.
    pub fn cut<'r, T>(self, rows: &'r [T], id: impl Fn(&T) -> i64) -> (&'r [T], Option<String>) {
        let PageSize(limit) = self;
        let Some((entries, [_])) = rows.split_at_checked(limit as usize) else {
            return (rows, None);
        };
        let next = entries
            .last()
            .map(|last| format!("?before={}&limit={limit}", id(last)));
        (entries, next)
    }
}
