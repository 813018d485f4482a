//! The turns of long answers on one thread: every caller gets the same share, however many answers it asks
//! for.
//!
//! ```text
//! start of a turn = max(end of the caller's turn before, start of the last turn that was given)
//! end of a turn   = start + bytes
//! ```
//! The waiting turn with the least start is given next (start-time fair queueing, Goyal, Vin and Cheng
//! 1996). One buffer is made per turn, and between two turns the thread serves its other connections.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::Sleep;

use crate::http::buffer::BUFFER_BYTES;

/// A turn that is not used for this long is lost: over HTTP/2 a client can close its window after the turn
/// was given. Making and sending a buffer takes a thousandth of it.
const LAPSE: Duration = Duration::from_millis(50);

/// The charge of a lost turn, in buffers: about what others could have sent meanwhile.
const LAPSE_BUFFERS: u64 = 1000;

/// Callers whose last turn is remembered although it is over.
const ENDS_KEPT: usize = 256;

thread_local! {
    static TURNS: OnceCell<Arc<Turns>> = const { OnceCell::new() };
}

/// The turns of one thread.
#[derive(Default)]
struct Turns(Mutex<TurnState>);

#[derive(Default)]
struct TurnState {
    /// By start and number.
    waiting: BTreeMap<(u64, u64), Waiting>,
    /// The end of the last turn of each caller, in bytes.
    ends: HashMap<usize, u64>,
    /// The start of the last turn that was given.
    last_start: u64,
    given: Option<Given>,
    numbers: u64,
}

struct Waiting {
    caller: usize,
    waker: Waker,
}

/// The turn that is given.
struct Given {
    number: u64,
    caller: usize,
    lapses_at: Instant,
}

/// Where a long answer stands.
enum Standing {
    /// It has not asked.
    Out,
    /// It waits for the turn with this start and number.
    Waiting(u64, u64),
    /// It has the turn of this number, and pauses before it uses it.
    Given(u64, Pause),
}

/// Polled before a buffer is made.
type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The place of one long answer in the turns of its thread.
pub(crate) struct StreamTurn {
    turns: Arc<Turns>,
    caller: usize,
    standing: Standing,
    lapse: Option<Pin<Box<Sleep>>>,
}

impl StreamTurn {
    /// The place of a long answer to this caller, on this thread.
    pub(crate) fn of(caller: usize) -> Self {
        let turns = TURNS.with(|turns| Arc::clone(turns.get_or_init(Arc::default)));
        Self { turns, caller, standing: Standing::Out, lapse: None }
    }

    /// Waits for the turn of one buffer, and then for as long as `wait` says. The turn lasts until
    /// [`Self::end`].
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut wait: impl FnMut() -> Duration,
    ) -> Poll<()> {
        loop {
            match &mut self.standing {
                Standing::Out => {
                    let asked = self.turns.0.lock().ask(self.caller, cx.waker());
                    self.standing = match asked {
                        Asked::Given(number) => self.begin(number, wait()),
                        Asked::Waits(start, number) => Standing::Waiting(start, number),
                    };
                }
                Standing::Waiting(start, number) => {
                    let (start, number) = (*start, *number);
                    let mut turns = self.turns.0.lock();
                    let is_given = turns.has(number);
                    let is_waiting = turns.keep_waking(start, number, cx.waker());
                    drop(turns);
                    if is_given {
                        self.standing = self.begin(number, wait());
                    } else if is_waiting {
                        ready!(self.poll_lapse(cx));
                    } else {
                        self.standing = Standing::Out;
                    }
                }
                Standing::Given(number, pause) => {
                    ready!(pause.as_mut().poll(cx));
                    if self.turns.0.lock().has(*number) {
                        return Poll::Ready(());
                    }
                    self.standing = Standing::Out;
                }
            }
        }
    }

    /// Ends the turn.
    pub(crate) fn end(&mut self) {
        if let Standing::Given(number, _) = self.standing {
            self.turns.0.lock().end(number);
        }
        self.standing = Standing::Out;
    }

    /// The pause before the turn is used. Without a wait of its own it is over once the thread has polled its
    /// other connections.
    fn begin(&self, number: u64, wait: Duration) -> Standing {
        self.turns.0.lock().extend(number, wait);
        let pause: Pause = if wait.is_zero() {
            Box::pin(tokio::task::yield_now())
        } else {
            Box::pin(tokio::time::sleep(wait))
        };
        Standing::Given(number, pause)
    }

    /// Ready when the turn that is given may have lapsed, and was looked at.
    fn poll_lapse(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lapse = self.lapse.get_or_insert_with(|| Box::pin(tokio::time::sleep(LAPSE)));
        ready!(lapse.as_mut().poll(cx));
        let now = Instant::now();
        let lapses_at = self.turns.0.lock().end_lapsed(now);
        lapse.as_mut().reset(lapses_at.max(now).into());
        Poll::Ready(())
    }
}

/// An answer that leaves before its turn was used costs its caller nothing.
impl Drop for StreamTurn {
    fn drop(&mut self) {
        let mut turns = self.turns.0.lock();
        match self.standing {
            Standing::Out => {}
            Standing::Waiting(start, number) => {
                if turns.waiting.remove(&(start, number)).is_some() || turns.has(number) {
                    turns.give_back(self.caller);
                }
                turns.end(number);
            }
            Standing::Given(number, _) => {
                if turns.has(number) {
                    turns.give_back(self.caller);
                }
                turns.end(number);
            }
        }
    }
}

/// The answer to one that asks for a turn.
enum Asked {
    /// It has the turn of this number.
    Given(u64),
    /// It waits for the turn with this start and number.
    Waits(u64, u64),
}

impl TurnState {
    fn ask(&mut self, caller: usize, waker: &Waker) -> Asked {
        let end = self.ends.get(&caller).copied().unwrap_or(0);
        let (start, number) = (end.max(self.last_start), self.numbers);
        self.numbers += 1;
        if self.ends.len() > ENDS_KEPT {
            let last_start = self.last_start;
            self.ends.retain(|_, end| *end > last_start);
        }
        self.ends.insert(caller, start + BUFFER_BYTES as u64);
        if self.given.is_none() {
            self.give(caller, start, number);
            return Asked::Given(number);
        }
        self.waiting.insert((start, number), Waiting { caller, waker: waker.clone() });
        Asked::Waits(start, number)
    }

    fn give(&mut self, caller: usize, start: u64, number: u64) {
        self.last_start = start;
        self.given = Some(Given { number, caller, lapses_at: Instant::now() + LAPSE });
    }

    /// Takes back the last turn of a caller that was not used.
    fn give_back(&mut self, caller: usize) {
        if let Some(end) = self.ends.get_mut(&caller) {
            *end = end.saturating_sub(BUFFER_BYTES as u64);
        }
    }

    /// Whether the turn of this number is given.
    fn has(&self, number: u64) -> bool {
        self.given.as_ref().is_some_and(|given| given.number == number)
    }

    /// Whether this one waits; then it is woken by the last waker.
    fn keep_waking(&mut self, start: u64, number: u64, waker: &Waker) -> bool {
        let waiting = self.waiting.get_mut(&(start, number));
        waiting.map(|waiting| waiting.waker.clone_from(waker)).is_some()
    }

    /// Lets a turn that pauses lapse later.
    fn extend(&mut self, number: u64, wait: Duration) {
        if let Some(given) = self.given.as_mut().filter(|given| given.number == number) {
            given.lapses_at = Instant::now() + wait + LAPSE;
        }
    }

    /// Ends the turn of this number, if it is given, and gives the next.
    fn end(&mut self, number: u64) {
        if !self.has(number) {
            return;
        }
        self.given = None;
        if let Some(((start, number), Waiting { caller, waker })) = self.waiting.pop_first() {
            self.give(caller, start, number);
            waker.wake();
        }
    }

    /// Ends the turn that is given, if it has lapsed. Returns when the turn that is given then lapses.
    fn end_lapsed(&mut self, now: Instant) -> Instant {
        if let Some(Given { number, caller, lapses_at }) = self.given
            && lapses_at <= now
        {
            *self.ends.entry(caller).or_default() += LAPSE_BUFFERS * BUFFER_BYTES as u64;
            self.end(number);
        }
        self.given.as_ref().map_or(now + LAPSE, |given| given.lapses_at)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Gives turns to these callers, of which each asks again at once; how many each had.
    fn turns_of(callers: &[usize], turns: usize) -> HashMap<usize, usize> {
        let mut state = TurnState::default();
        let mut had = HashMap::new();
        for caller in callers {
            state.ask(*caller, Waker::noop());
        }
        for _ in 0..turns {
            let Given { number, caller, .. } = state.given.as_ref().expect("some ask");
            let (number, caller) = (*number, *caller);
            *had.entry(caller).or_default() += 1;
            state.end(number);
            state.ask(caller, Waker::noop());
        }
        had
    }

    #[test]
    fn each_caller_has_the_same_turns_however_many_answers_it_asks_for() {
        let mut callers = vec![1; 50];
        callers.push(2);
        callers.extend([3; 5]);
        let had = turns_of(&callers, 3000);
        for caller in 1..=3 {
            assert!(had[&caller].abs_diff(1000) <= 50, "{had:?}");
        }
    }

    #[test]
    fn a_caller_that_paused_saves_up_no_turns() {
        let mut state = TurnState::default();
        for _ in 0..100 {
            if let Asked::Given(number) = state.ask(1, Waker::noop()) {
                state.end(number);
            }
        }
        state.ask(1, Waker::noop());
        state.ask(2, Waker::noop());
        state.ask(1, Waker::noop());
        let order: Vec<_> = state.waiting.values().map(|it| it.caller).collect();
        assert_eq!(order, [2, 1]);
        assert!(state.ends[&2] >= 100 * BUFFER_BYTES as u64);
    }

    #[test]
    fn a_turn_that_is_not_used_is_lost_and_charged() {
        let mut state = TurnState::default();
        assert!(matches!(state.ask(1, Waker::noop()), Asked::Given(0)));
        state.ask(2, Waker::noop());
        let now = Instant::now();
        state.end_lapsed(now);
        assert!(state.has(0), "not yet");
        state.end_lapsed(now + LAPSE + LAPSE);
        assert!(state.has(1) && !state.has(0));
        state.ask(1, Waker::noop());
        let (start, _) = *state.waiting.first_key_value().expect("it waits").0;
        assert!(start >= LAPSE_BUFFERS * BUFFER_BYTES as u64);
    }

    #[tokio::test]
    async fn an_answer_that_leaves_before_its_turn_costs_its_caller_nothing() {
        let mut has = StreamTurn::of(1);
        poll_fn(|cx| has.poll(cx, || Duration::ZERO)).await;
        let ask = async |turn: &mut StreamTurn| {
            poll_fn(|cx| Poll::Ready(turn.poll(cx, || Duration::ZERO).is_ready())).await
        };
        for _ in 0..100 {
            assert!(!ask(&mut StreamTurn::of(2)).await, "it waits");
        }
        let (mut second, mut third) = (StreamTurn::of(2), StreamTurn::of(3));
        assert!(!ask(&mut second).await && !ask(&mut third).await);
        let state = has.turns.0.lock();
        assert_eq!(state.ends[&2], state.ends[&3]);
    }

    #[test]
    fn callers_of_long_ago_are_forgotten() {
        let mut state = TurnState::default();
        for caller in 0..10_000 {
            if let Asked::Given(number) = state.ask(caller, Waker::noop()) {
                state.end(number);
            }
            // All else is over.
            state.last_start += BUFFER_BYTES as u64;
        }
        assert!(state.ends.len() <= ENDS_KEPT + 1, "{}", state.ends.len());
    }
}
