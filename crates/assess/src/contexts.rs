//! Counts of the symbols that followed each context: a tree whose paths are contexts read
//! backwards, the latest symbol first, so that one walk visits a context and all its suffixes.

use crate::table::Table;

/// The longest context, in symbols (D of §6.3.9 and B of §6.3.10).
pub(super) const LONGEST: usize = 16;

/// A node of the tree: the context of the symbols on its path.
pub(super) type Node = u32;

/// The empty context.
pub(super) const ROOT: Node = 0;

/// Contexts and the symbols that followed them.
#[derive(Debug)]
pub(super) struct Contexts {
    children: Table,
    nodes: Vec<Followers>,
    /// Counts of the symbols after a context that has several followers.
    counts: Table,
}

/// The most common symbol after a context.
#[derive(Debug, Clone, Copy)]
struct Followers {
    /// Its count. Zero for a context that is only on the path to a longer one.
    most: u32,
    /// The symbol; of equal counts the largest.
    symbol: u8,
    /// Whether other symbols followed, too.
    are_many: bool,
}

const UNSEEN: Followers = Followers { most: 0, symbol: 0, are_many: false };

impl Contexts {
    pub(super) fn new() -> Self {
        Self { children: Table::new(), nodes: vec![UNSEEN], counts: Table::new() }
    }

    /// Number of contexts, including those only on the path to longer ones.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The context that is one symbol longer.
    #[inline]
    pub(super) fn longer(&self, node: Node, symbol: u8) -> Option<Node> {
        self.children.get(key(node, symbol))
    }

    /// The context that is one symbol longer, created if missing. A new one is unseen until a
    /// symbol is counted.
    pub(super) fn longer_or_new(&mut self, node: Node, symbol: u8) -> Node {
        self.longer(node, symbol).unwrap_or_else(|| {
            let new =
                u32::try_from(self.nodes.len()).expect("dictionaries have below 2^24 entries");
            self.nodes.push(UNSEEN);
            self.children.set(key(node, symbol), new);
            new
        })
    }

    /// Whether a symbol has been counted after this context.
    #[inline]
    pub(super) fn is_seen(&self, node: Node) -> bool {
        self.nodes[node as usize].most > 0
    }

    /// The most common symbol after a context, of equal counts the largest, and its count.
    #[inline]
    pub(super) fn prediction(&self, node: Node) -> (u8, u32) {
        let followers = &self.nodes[node as usize];
        (followers.symbol, followers.most)
    }

    /// Counts a symbol after a context and returns its new count: 1 for a new symbol. With
    /// `may_add` false a new symbol is not counted, and the result is 0.
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
