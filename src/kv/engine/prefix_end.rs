//! The end of the keys that have a prefix.

/// The first key after all that begin with `prefix`; `None` when there is none.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_without_it() {
        assert_eq!(end_of(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of(&[1, 0xff]), Some(vec![2]));
        assert_eq!(end_of(&[0xff, 0xff]), None);
        assert_eq!(end_of(b""), None);
    }
}
