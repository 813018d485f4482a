//! Pages of a sorted list.

use crate::dialect::aws_kms::fault::Fault;

/// The part of a list that a call asks for.
pub(crate) struct Page {
    limit: usize,
    after: Option<String>,
}

impl Page {
    /// Reads the members of a call. `on_page` is the number of items by default and at most.
    ///
    /// # Errors
    /// When the limit is out of range.
    pub(crate) fn of(
        limit: Option<i64>,
        marker: Option<String>,
        on_page: (usize, usize),
    ) -> Result<Self, Fault> {
        let (default, most) = on_page;
        let limit = match limit {
            None => default,
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=most).contains(limit))
                .ok_or_else(|| {
                let range = format!("Member must have value between 1 and {most}");
                Fault::constraint(limit, "limit", &range)
            })?,
        };
        Ok(Self { limit, after: marker })
    }

    /// The items of the page, and the marker of the next one.
    pub(crate) fn cut<T>(
        self,
        all: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let mut items = all.into_iter();
        let after = self.after;
        let mut left = items
            .by_ref()
            .skip_while(|item| after.as_ref().is_some_and(|after| name(item) <= *after));
        let shown: Vec<_> = left.by_ref().take(self.limit).collect();
        let is_more = left.next().is_some();
        let next = shown.last().filter(|_| is_more).map(&name);
        (shown, next)
    }
}
