//! What followed each context seen so far: a tree whose paths are contexts read backwards, the
//! latest symbol first, so that one walk meets a context and all its shorter ones.

use crate::table::Table;

/// The longest context, in symbols (D of §6.3.9 and B of §6.3.10).
pub(super) const LONGEST: usize = 16;

/// A node: the context of the symbols on the way to it.
pub(super) type Node = u32;

/// The empty context.
pub(super) const ROOT: Node = 0;

/// Contexts and the symbols that followed them.
#[derive(Debug)]
pub(super) struct Contexts {
    children: Table,
    nodes: Vec<Followers>,
    /// Counts of the symbols after a context, if there is more than one.
    counts: Table,
}

/// The most common symbol after a context.
#[derive(Debug, Clone, Copy)]
struct Followers {
    /// How often it followed. Zero for a context that is only on the way to a longer one.
    most: u32,
    /// It; of several the largest.
    symbol: u8,
    /// Whether other symbols followed as well.
    are_many: bool,
}

const UNSEEN: Followers = Followers { most: 0, symbol: 0, are_many: false };

impl Contexts {
    pub(super) fn new() -> Self {
        Self { children: Table::new(), nodes: vec![UNSEEN], counts: Table::new() }
    }

    /// How many contexts there are, with those that are only on the way to longer ones.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The context that is one symbol longer.
    #[inline]
    pub(super) fn longer(&self, node: Node, symbol: u8) -> Option<Node> {
        self.children.get(key(node, symbol))
    }

    /// The context that is one symbol longer, made if need be; unseen until something is counted.
    pub(super) fn longer_or_new(&mut self, node: Node, symbol: u8) -> Node {
        self.longer(node, symbol).unwrap_or_else(|| {
            let new =
                u32::try_from(self.nodes.len()).expect("dictionaries have below 2^24 entries");
            self.nodes.push(UNSEEN);
            self.children.set(key(node, symbol), new);
            new
        })
    }

    /// Whether something has been counted here.
    #[inline]
    pub(super) fn is_seen(&self, node: Node) -> bool {
        self.nodes[node as usize].most > 0
    }

    /// The most common symbol after a context, of several the largest, and how often it followed.
    #[inline]
    pub(super) fn prediction(&self, node: Node) -> (u8, u32) {
        let followers = &self.nodes[node as usize];
        (followers.symbol, followers.most)
    }

    /// Counts a symbol after a context, and returns its count now: 1 if it is new here. A new one
    /// is not counted, and gives 0, unless it may be added.
    #[inline]
    pub(super) fn count(&mut self, node: Node, symbol: u8, may_add: bool) -> u32 {
        let followers = &mut self.nodes[node as usize];
        if followers.symbol == symbol && !followers.are_many && followers.most > 0 {
            followers.most += 1;
            return followers.most;
        }
        self.count_among_many(node, symbol, may_add)
    }

    fn count_among_many(&mut self, node: Node, symbol: u8, may_add: bool) -> u32 {
        let followers = &mut self.nodes[node as usize];
        let known =
            if followers.are_many { self.counts.increment(key(node, symbol)) } else { None };
        let count = match known {
            Some(count) => count,
            None if !may_add => return 0,
            None => {
                if followers.most > 0 {
                    if !followers.are_many {
                        self.counts.set(key(node, followers.symbol), followers.most);
                        followers.are_many = true;
                    }
                    self.counts.set(key(node, symbol), 1);
                }
                1
            }
        };
        if count > followers.most || (count == followers.most && symbol > followers.symbol) {
            followers.most = count;
            followers.symbol = symbol;
        }
        count
    }
}

#[inline]
fn key(node: Node, symbol: u8) -> u32 {
    node << 8 | u32::from(symbol)
}
