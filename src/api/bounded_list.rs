//! A list that is counted while it is read: one that is too long is never in memory.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The begin of the error of a list with too many items. No error that quotes the input begins so.
pub(crate) const TOO_MANY: &str = "the list must have";

/// A list of up to `MOST` items.
#[derive(Debug)]
pub(crate) struct BoundedList<T, const MOST: usize>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for BoundedList<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Items::<T, MOST>(PhantomData)).map(Self)
    }
}

struct Items<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of up to {MOST} items")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut from: S) -> Result<Vec<T>, S::Error> {
        let mut items = Vec::new();
        while items.len() < MOST {
            let Some(item) = from.next_element()? else { return Ok(items) };
            items.push(item);
        }
        if from.next_element::<IgnoredAny>()?.is_some() {
            return Err(S::Error::custom(format_args!("{TOO_MANY} 1 to {MOST} items (got more)")));
        }
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_up_to_its_bound_and_no_item_behind_it_is_parsed() {
        let read = |json: &str| serde_json::from_str::<BoundedList<u8, 2>>(json);
        assert_eq!(read("[1,2]").expect("as many as may be").0, [1, 2]);
        assert!(read("[1,2,3]").expect_err("more").to_string().starts_with(TOO_MANY));
        assert!(read("[1,2,\"").is_err() && read("[\"the list must have\"]").is_err());
        let error = read("[1,2,3,\"not a number").expect_err("more");
        assert!(error.to_string().starts_with(TOO_MANY), "what follows is not looked at");
    }
}
