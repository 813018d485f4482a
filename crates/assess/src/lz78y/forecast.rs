//! The prediction of the dictionary: the follower with the highest count, of equal counts that of
//! the longest context.

/// The prediction so far. Contexts are offered from the shortest to the longest.
#[derive(Default)]
pub(super) struct Forecast {
    pub(super) symbol: Option<u8>,
    most: u32,
}

impl Forecast {
    /// Offers the prediction of a longer context: `symbol` followed it `most` times. Returns
    /// whether it was taken. If not, longer contexts can still be.
    #[inline]
    pub(super) fn offer(&mut self, symbol: u8, most: u32) -> bool {
        let counts = most >= self.most;
        if counts {
            self.symbol = Some(symbol);
            self.most = most;
        }
        counts
    }
}
