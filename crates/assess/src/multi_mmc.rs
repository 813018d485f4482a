//! The multi Markov model with counting prediction estimate (SP 800-90B §6.3.9).

mod binary;
mod scoreboard;

use crate::contexts::{Contexts, LONGEST, Node, ROOT};
use crate::prediction::Tally;
use crate::samples::Sequence;
use scoreboard::Scoreboard;

/// The most pairs of a context and its next symbol per model (SP 800-90B §6.3.9).
const MOST_PAIRS: u32 = 100_000;

/// Predicts each symbol by the most common follower of the last 1 to 16 symbols, with the model
/// that has the highest score.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    tally(sequence, MOST_PAIRS).estimate(sequence.symbols.len() - 2, sequence.alphabet)
}

/// The predictions of all symbols after the first two, by models of at most `room` pairs. The
/// sequence has more than 16 symbols.
pub(super) fn tally(sequence: Sequence<'_>, room: u32) -> Tally {
    if sequence.is_binary() {
        binary::run(sequence.symbols, room)
    } else {
        Models::new(sequence.symbols, room).run()
    }
}

/// All sixteen models in one tree of contexts.
///
/// Most long contexts occur only once. They are stored as their position, with the node of the
/// shortest of them, and become nodes when they occur again.
struct Models<'a> {
    symbols: &'a [u8],
    contexts: Contexts,
    /// Longer contexts of each node that have occurred once.
    tails: Vec<Tail>,
    /// Number of pairs per model, and its limit.
    pairs: [u32; LONGEST],
    room: u32,
    /// This model and all later ones are full.
    full_from: usize,
    scoreboard: Scoreboard,
}

/// Contexts that have occurred once, before the symbol at `at`.
#[derive(Debug, Clone, Copy)]
struct Tail {
    at: u32,
    /// The last model that knows them.
    last: u8,
}

const NO_TAIL: Tail = Tail { at: 0, last: 0 };

impl<'a> Models<'a> {
    /// The models after the first symbols: each has counted the follower of the sequence's start.
    fn new(symbols: &'a [u8], room: u32) -> Self {
        let mut models = Self {
            symbols,
            contexts: Contexts::new(),
            tails: vec![NO_TAIL],
            pairs: [1; LONGEST],
            room,
            full_from: LONGEST,
            scoreboard: Scoreboard::default(),
        };
        for model in 0..LONGEST {
            let mut node = ROOT;
            for &before in symbols[..=model].iter().rev() {
                node = models.longer_or_new(node, before);
            }
            models.contexts.count(node, symbols[model + 1], true);
        }
        models
    }

    fn run(mut self) -> Tally {
        for at in 2..self.symbols.len() {
            self.step(at);
        }
        self.scoreboard.tally
    }

    /// Predicts the symbol at `at` from the earlier ones except the very first, then learns it.
    fn step(&mut self, at: usize) {
        let symbol = self.symbols[at];
        let predictor = self.scoreboard.best;
        let mut node = ROOT;
        for model in 0..LONGEST.min(at - 1) {
            match self.longer(node, model, self.symbols[at - 1 - model]) {
                None => return self.learn(node, model, at),
                Some(longer) => node = longer,
            }
            let (predicted, _) = self.contexts.prediction(node);
            self.scoreboard.count(model, predictor, predicted == symbol);
            let may_add = self.pairs[model] < self.room;
            if self.contexts.count(node, symbol, may_add) == 1 {
                self.add(model);
            }
        }
    }

    /// The context that model `model` knows, one symbol longer than `node`.
    #[inline]
    fn longer(&mut self, node: Node, model: usize, before: u8) -> Option<Node> {
        let longer = self.contexts.longer(node, before);
        longer.filter(|node| self.contexts.is_seen(*node)).or_else(|| {
            let tail = self.tails[node as usize];
            let at = tail.at as usize;
            let is_in_tail = model <= usize::from(tail.last)
                && at > model
                && self.symbols[at - 1 - model] == before;
            is_in_tail.then(|| {
                self.tails[node as usize] = NO_TAIL;
                self.start(node, before, self.symbols[at], tail)
            })
        })
    }

    /// Model `first` does not have the context one symbol longer than `node`, so no later model has
    /// it: it is added to every model that is not full. Behind a full model it can never be looked
    /// up, so its pairs are only counted there.
    fn learn(&mut self, node: Node, first: usize, at: usize) {
        let end = LONGEST.min(at - 1).min(self.full_from);
        let known = (first..end).take_while(|model| self.pairs[*model] < self.room).count();
        for model in first..end {
            if self.pairs[model] < self.room {
                self.add(model);
            }
        }
        if known > 0 {
            let tail = Tail {
                at: u32::try_from(at).expect("places are counted in 31 bits"),
                last: u8::try_from(first + known - 1).expect("there are 16 models"),
            };
            self.start(node, self.symbols[at - 1 - first], self.symbols[at], tail);
        }
    }

    /// A context that has occurred once so far.
    fn start(&mut self, node: Node, before: u8, symbol: u8, tail: Tail) -> Node {
        let longer = self.longer_or_new(node, before);
        self.contexts.count(longer, symbol, true);
        self.tails[longer as usize] = tail;
        longer
    }

    fn longer_or_new(&mut self, node: Node, before: u8) -> Node {
        let longer = self.contexts.longer_or_new(node, before);
        self.tails.resize(self.contexts.len(), NO_TAIL);
        longer
    }

    fn add(&mut self, model: usize) {
        self.pairs[model] += 1;
        while self.full_from > 0 && self.pairs[self.full_from - 1] >= self.room {
            self.full_from -= 1;
        }
    }
}
