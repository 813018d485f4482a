//! The multi most common in window prediction estimate (SP 800-90B §6.3.7).

use crate::prediction::Tally;
use crate::samples::Sequence;

/// The windows' lengths, in symbols.
const WINDOWS: [usize; 4] = [63, 255, 1023, 4095];

/// Predicts each symbol by the most common symbol of the window with the highest score.
pub(super) fn estimate(sequence: Sequence<'_>) -> f64 {
    tally(sequence).estimate(sequence.symbols.len() - WINDOWS[0], sequence.alphabet)
}

/// The predictions of all symbols after the first 63.
pub(super) fn tally(sequence: Sequence<'_>) -> Tally {
    if sequence.is_binary() {
        run(sequence.symbols, WINDOWS.map(Majority::new))
    } else {
        run(sequence.symbols, WINDOWS.map(Mode::new))
    }
}

/// A window that knows its most common symbol; of equal counts, the latest.
trait Window {
    /// Adds the symbol at `at` and, from a full window, removes `leaving`.
    fn slide(&mut self, at: usize, entering: u8, leaving: Option<u8>);

    /// The most common symbol.
    fn most_common(&self) -> u8;
}

fn run<W: Window>(symbols: &[u8], mut windows: [W; 4]) -> Tally {
    let mut tally = Tally::default();
    let mut scores = [0_u32; WINDOWS.len()];
    let mut best = 0;
    for (at, &symbol) in symbols.iter().enumerate() {
        if at >= WINDOWS[0] {
            tally.count(windows[best].most_common() == symbol);
        }
        for (number, (window, len)) in windows.iter_mut().zip(WINDOWS).enumerate() {
            let leaving = if at >= len {
                if window.most_common() == symbol {
                    scores[number] += 1;
                    if scores[number] >= scores[best] {
                        best = number;
                    }
                }
                Some(symbols[at - len])
            } else {
                None
            };
            window.slide(at, symbol, leaving);
        }
    }
    tally
}

/// A window over bits. Its length is odd, so a full window has a majority.
struct Majority {
    half: u32,
    ones: u32,
}

impl Majority {
    fn new(len: usize) -> Self {
        Self { half: u32::try_from(len / 2).expect("a short window"), ones: 0 }
    }
}

impl Window for Majority {
    #[inline]
    fn slide(&mut self, _: usize, entering: u8, leaving: Option<u8>) {
        self.ones = self.ones + u32::from(entering) - u32::from(leaving.unwrap_or(0));
    }

    #[inline]
    fn most_common(&self) -> u8 {
        u8::from(self.ones > self.half)
    }
}

/// A window over symbols of more than one bit.
struct Mode {
    counts: [u16; 256],
    /// The last position of each symbol.
    latest: [u32; 256],
    most_common: u8,
}

impl Mode {
    fn new(_: usize) -> Self {
        Self { counts: [0; 256], latest: [0; 256], most_common: 0 }
    }

    /// The symbol with the highest count; of equal counts, the latest.
    fn find(&self) -> u8 {
        let most = self.counts.iter().fold(0, |most, count| most.max(*count));
        (0..=u8::MAX)
            .filter(|symbol| self.counts[usize::from(*symbol)] == most)
            .max_by_key(|symbol| self.latest[usize::from(*symbol)])
            .expect("some symbol has the highest count")
    }
}

impl Window for Mode {
    #[inline]
    fn slide(&mut self, at: usize, entering: u8, leaving: Option<u8>) {
        let [mode, new] = [self.most_common, entering].map(usize::from);
        self.counts[new] += 1;
        self.latest[new] = u32::try_from(at).expect("places are counted in 31 bits");
        if let Some(leaving) = leaving {
            self.counts[usize::from(leaving)] -= 1;
            if usize::from(leaving) == mode && new != mode {
                self.most_common = self.find();
                return;
            }
        }
        if self.counts[new] >= self.counts[mode] {
            self.most_common = entering;
        }
    }

    #[inline]
    fn most_common(&self) -> u8 {
        self.most_common
    }
}
