//! The heartbeat of the collector: whether its thread still does its rounds.

/// Looks without a new round after which the watchdog is no longer fed: two seconds of looks, ten
/// times as long as a round takes.
const LATE: u32 = 40;

/// Looks without a new round after which the collector counts as hung: a minute of looks. Looks are
/// counted, not time: a process that was stopped, or a machine that slept, has not looked.
const LOST: u32 = 1200;

/// The rounds that were seen last.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    rounds: u64,
    looks_since: u32,
}

/// The state of the collector's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It does its rounds.
    Beats,
    /// No round came for some seconds.
    Late,
    /// No round came for a minute.
    Lost,
}

impl Heartbeat {
    /// Takes the number of rounds at one look.
    pub(super) fn look(&mut self, rounds: u64) -> Pulse {
        if std::mem::replace(&mut self.rounds, rounds) == rounds {
            self.looks_since = self.looks_since.saturating_add(1);
        } else {
            self.looks_since = 0;
        }
        match self.looks_since {
            LOST.. => Pulse::Lost,
            LATE.. => Pulse::Late,
            _ => Pulse::Beats,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_without_rounds_is_late_and_then_lost_and_a_round_restores_it() {
        let mut heartbeat = Heartbeat::default();
        let mut look = |rounds, times: u32| (0..times).map(|_| heartbeat.look(rounds)).last();
        assert_eq!(look(1, LATE), Some(Pulse::Beats));
        assert_eq!(look(1, 1), Some(Pulse::Late), "the watchdog is not fed");
        assert_eq!(look(2, 1), Some(Pulse::Beats));
        assert_eq!(look(2, LOST - 1), Some(Pulse::Late));
        assert_eq!(look(2, 1), Some(Pulse::Lost));
    }
}
