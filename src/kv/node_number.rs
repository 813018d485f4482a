//! The numbers of nodes that share one storage.

use crate::crypto::aead::AssociatedData;

/// The bits of a record version that count commits: 1,000 a second for 8,900 years.
const COMMIT_BITS: u32 = 48;

/// The number of a node, 1 to 65,535. It is given once, and never to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(u16);

impl NodeNumber {
    /// The node of a storage that is not shared.
    pub(crate) const ALONE: Self = Self(0);

    /// The node of this number; `None` for 0.
    #[must_use]
    pub fn of(number: u16) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The version of the records that a commit of this node writes: no two commits of any nodes have the same.
    pub(crate) fn version(self, commits: u64) -> u64 {
        debug_assert!(commits >> COMMIT_BITS == 0, "commits are counted in 48 bits");
        u64::from(self.0) << COMMIT_BITS | commits
    }

    /// The key of a row of this node that a node alone has at `key`.
    pub(crate) fn key(self, key: &[u8]) -> Vec<u8> {
        let number = self.0.to_be_bytes();
        let suffix: &[u8] = if self == Self::ALONE { &[] } else { &number };
        [key, suffix].concat()
    }

    /// The node whose row has a key that begins with `key`; `None` when no node's has.
    pub(crate) fn of_key(of: &[u8], key: &[u8]) -> Option<Self> {
        match of.strip_prefix(key)? {
            [] => Some(Self::ALONE),
            suffix => Self::of(u16::from_be_bytes(suffix.try_into().ok()?)),
        }
    }

    /// The associated data of a row of this node that a node alone seals with `data`.
    pub(crate) fn bound_to(self, data: AssociatedData) -> AssociatedData {
        if self == Self::ALONE { data } else { data.and_number(self.0.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_nodes_are_apart_and_a_node_alone_has_its_count_of_commits() {
        let node = |number| NodeNumber::of(number).expect("not 0");
        assert_eq!(NodeNumber::ALONE.version(7), 7);
        assert_eq!(node(1).version(7), 0x0001_0000_0000_0007);
        assert_eq!(node(0xffff).version((1 << 48) - 1), u64::MAX);
        assert_eq!(NodeNumber::of(0), None);
    }

    #[test]
    fn the_key_of_a_row_names_its_node() {
        for node in [NodeNumber::ALONE, NodeNumber(1), NodeNumber(0x1234), NodeNumber(0xffff)] {
            assert_eq!(NodeNumber::of_key(&node.key(b"row"), b"row"), Some(node));
        }
        for key in
            [b"ro".as_slice(), b"row\x01", b"row\x00\x00", b"row\x00\x00\x01", b"rox\x00\x01"]
        {
            assert_eq!(NodeNumber::of_key(key, b"row"), None, "{key:?}");
        }
    }
}
