//! Counts of repeated tuples by length, from the lengths that neighbours among the sorted suffixes
//! share.

/// Counts for each tuple length, from 0 to that of the longest repeated tuple.
pub(super) struct Repeats {
    /// The count of the most common tuple.
    most: Vec<u32>,
    /// The number of pairs of equal tuples: the sum of c(c − 1)/2 over the counts c.
    pairs: Vec<u64>,
}

/// Counts groups in one pass over the sorted suffixes.
pub(super) struct Counter {
    repeats: Repeats,
    /// The groups that contain the latest suffix, from the group of all suffixes inwards.
    open: Vec<Group>,
    /// Number of suffixes so far.
    ranks: u32,
}

/// A group of neighbouring suffixes that share `length` symbols and begins at rank `first`.
#[derive(Clone, Copy)]
struct Group {
    length: u32,
    first: u32,
}

impl Repeats {
    /// The count of the most common tuple of `length` symbols.
    pub(super) fn most(&self, length: usize) -> u32 {
        self.most[length]
    }

    /// The share of equal pairs among all pairs of tuples of `length` symbols, of `len` symbols.
    #[expect(clippy::cast_precision_loss, reason = "2^-53 of the share is below what is shown")]
    pub(super) fn collisions(&self, length: usize, len: usize) -> f64 {
        let tuples = (len - length + 1) as u64;
        self.pairs[length] as f64 / (tuples * (tuples - 1) / 2) as f64
    }

    /// The length of the longest tuple that occurs twice.
    pub(super) fn longest(&self) -> usize {
        self.most.len() - 1
    }
}

impl Counter {
    /// A counter after the first suffix. No two suffixes share more than `longest` symbols.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            repeats: Repeats { most: vec![1; longest + 1], pairs: vec![0; longest + 1] },
            open: vec![Group { length: 0, first: 0 }],
            ranks: 1,
        }
    }

    /// Takes the next suffix, which shares `length` symbols with the one before it.
    #[inline]
    pub(super) fn next(&mut self, length: u32) {
        let mut first = self.ranks - 1;
        while let Some(group) = self.open.pop_if(|group| group.length > length) {
            first = group.first;
            let parent = self.open.last().map_or(0, |parent| parent.length).max(length);
            self.count(group.length, parent, self.ranks - first);
        }
        if self.open.last().is_none_or(|group| group.length < length) {
            self.open.push(Group { length, first });
        }
        self.ranks += 1;
    }

    /// Counts a group of `count` suffixes that share `length` symbols, within a group that shares
    /// `parent`. Only the ends of the range of lengths are marked here.
    #[inline]
    fn count(&mut self, length: u32, parent: u32, count: u32) {
        let Repeats { most, pairs } = &mut self.repeats;
        let most = &mut most[length as usize];
        *most = (*most).max(count);
        let equal = u64::from(count) * u64::from(count - 1) / 2;
        pairs[length as usize] = pairs[length as usize].wrapping_add(equal);
        pairs[parent as usize] = pairs[parent as usize].wrapping_sub(equal);
    }

    /// Turns the marks at the ends of ranges into counts for every length. Intermediate sums may
    /// wrap; the results are right, because none exceeds n(n − 1)/2.
    pub(super) fn finish(mut self) -> Repeats {
        self.next(0);
        let Repeats { mut most, mut pairs } = self.repeats;
        for length in (1..most.len()).rev() {
            most[length - 1] = most[length - 1].max(most[length]);
            pairs[length - 1] = pairs[length - 1].wrapping_add(pairs[length]);
        }
        let longest = most.iter().take_while(|most| **most > 1).count().saturating_sub(1);
        most.truncate(longest + 1);
        pairs.truncate(longest + 1);
        Repeats { most, pairs }
    }
}
