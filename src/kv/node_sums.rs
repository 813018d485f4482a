//! The multiset hash of a namespace whose records several nodes write: each node keeps its own part, and the sum
//! of the parts is the hash over all records. No row is written by two nodes.

use std::collections::BTreeMap;

use crate::kv::multiset_hash::MultisetHash;
use crate::kv::node_number::NodeNumber;

/// The part of each node, as it is on disk; `None` for one that does not open.
#[derive(Debug, Default)]
pub(crate) struct NodeSums(BTreeMap<NodeNumber, Option<NodeSum>>);

/// The part of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeSum {
    /// The node's commit count at its last change of the namespace.
    pub(crate) commits: u64,
    /// Terms that it added, without those that it removed: other nodes may have added them.
    pub(crate) hash: [u8; 32],
}

impl NodeSums {
    pub(crate) fn set(&mut self, node: NodeNumber, sum: Option<NodeSum>) {
        self.0.insert(node, sum);
    }

    pub(crate) fn remove(&mut self, node: NodeNumber) {
        self.0.remove(&node);
    }

    /// Whether a node has a row.
    pub(crate) fn has(&self, node: NodeNumber) -> bool {
        self.0.contains_key(&node)
    }

    /// The nodes that have a row.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeNumber> {
        self.0.keys().copied()
    }

    /// A node's commit count at its last change; 0 when it has no row that opens.
    pub(crate) fn commits(&self, node: NodeNumber) -> u64 {
        self.0.get(&node).copied().flatten().map_or(0, |sum| sum.commits)
    }

    /// The sum of all parts; `None` when there are none, or one does not open.
    pub(crate) fn total(&self) -> Option<MultisetHash> {
        let parts: Option<Vec<_>> = self.0.values().copied().collect();
        parts.filter(|parts| !parts.is_empty()).map(|parts| sum(&parts))
    }

    /// The sum of the parts of all nodes but this one.
    pub(crate) fn others(&self, node: NodeNumber) -> MultisetHash {
        let others = self.0.iter().filter(|(other, _)| **other != node);
        sum(&others.filter_map(|(_, part)| *part).collect::<Vec<_>>())
    }
}

fn sum(parts: &[NodeSum]) -> MultisetHash {
    let mut sum = MultisetHash::default();
    for part in parts {
        sum.add(&part.hash);
    }
    sum
}
