//! Unbiased choices from uniform words, by rejection of the remainder.

/// A number from 0 to `most`, each as likely as any other.
///
/// Of the 2⁶⁴ words as many are taken as are a multiple of the number of outcomes; the others, fewer
/// than half, are drawn again. Taking them too would favour small numbers.
pub(crate) fn up_to<E>(most: u64, mut word: impl FnMut() -> Result<u64, E>) -> Result<u64, E> {
    let Some(outcomes) = most.checked_add(1) else { return word() };
    // 2⁶⁴ mod outcomes
    let surplus = (u64::MAX % outcomes + 1) % outcomes;
    loop {
        let word = word()?;
        if word <= u64::MAX - surplus {
            return Ok(word % outcomes);
        }
    }
}

/// A whole number from `least` to `most`, both included.
pub(crate) fn between<E>(
    least: i64,
    most: i64,
    word: impl FnMut() -> Result<u64, E>,
) -> Result<i64, E> {
    up_to(most.abs_diff(least), word).map(|above| least.wrapping_add_unsigned(above))
}

/// Puts `items` into an order, each as likely as any other (Fisher and Yates; Durstenfeld 1964).
pub(crate) fn shuffle<T, E>(
    items: &mut [T],
    mut word: impl FnMut() -> Result<u64, E>,
) -> Result<(), E> {
    for last in (1..items.len()).rev() {
        let chosen = up_to(last as u64, &mut word)?;
        items.swap(last, usize::try_from(chosen).expect("no more than `last`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// These words, in this order.
    fn words(words: &[u64]) -> impl FnMut() -> Result<u64, Infallible> {
        let mut words = words.iter();
        move || Ok(*words.next().expect("no more words are drawn than are given"))
    }

    fn sure<T>(result: Result<T, Infallible>) -> T {
        match result {
            Ok(value) => value,
        }
    }

    #[test]
    fn words_beyond_the_last_multiple_are_drawn_again() {
        // 2⁶⁴ mod 3 = 1: the largest word is one too many.
        assert_eq!(sure(up_to(2, words(&[u64::MAX, u64::MAX, 7]))), 1);
        assert_eq!(sure(up_to(2, words(&[u64::MAX - 1]))), (u64::MAX - 1) % 3);
        // 2⁶⁴ mod (2⁶³ + 1) = 2⁶³ − 1: nearly half are.
        let outcomes = (1 << 63) + 1;
        assert_eq!(sure(up_to(outcomes - 1, words(&[outcomes, outcomes - 1]))), outcomes - 1);
        // A power of two divides evenly.
        assert_eq!(sure(up_to(255, words(&[u64::MAX]))), 255);
    }

    #[test]
    fn the_whole_range_is_any_word() {
        assert_eq!(sure(up_to(u64::MAX, words(&[u64::MAX]))), u64::MAX);
        assert_eq!(sure(between(i64::MIN, i64::MAX, words(&[0]))), i64::MIN);
        assert_eq!(sure(between(i64::MIN, i64::MAX, words(&[u64::MAX]))), i64::MAX);
        assert_eq!(sure(between(-3, -3, words(&[12_345]))), -3);
    }

    #[test]
    fn every_order_comes_as_often_as_any_other() {
        // All words that three items can be shuffled with, in small: 3 × 2 draws, 6 orders.
        let mut orders = std::collections::BTreeMap::new();
        for first in 0..3 {
            for second in 0..2 {
                let mut items = [0, 1, 2];
                sure(shuffle(&mut items, words(&[first, second])));
                *orders.entry(items).or_insert(0) += 1;
            }
        }
        assert_eq!(orders.into_values().collect::<Vec<_>>(), [1; 6]);
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_outside_the_range(a: i64, b: i64, seed: u64) {
            let (least, most) = (a.min(b), a.max(b));
            let mut state = seed;
            let chosen = sure(between(least, most, || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Ok::<_, Infallible>(state)
            }));
            proptest::prop_assert!((least..=most).contains(&chosen));
        }
    }
}
