//! A range of addresses, as it is written: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Leading bits that all its addresses have in common.
    prefix: u32,
}

impl Network {
    /// Reads it. Bits after the prefix must be zero: they would be a typing error.
    ///
    /// # Errors
    /// What is wrong, with the value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let error = |reason: &str| Err(format!("{reason} (got {text:?})"));
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let Ok(address) = address.parse::<IpAddr>() else {
            return error("must be an address or a range such as \"10.0.0.0/8\"");
        };
        let width = width(address);
        let is_number = |it: &&str| it.bytes().all(|digit| digit.is_ascii_digit());
        let prefix = match prefix {
            None => width,
            Some(prefix) => match prefix.parse().ok().filter(|it| *it <= width) {
                Some(number) if is_number(&prefix) => number,
                _ => return error(&format!("the prefix must be from 0 to {width}")),
            },
        };
        if address.to_canonical() != address {
            return error("must be written as an address of IPv4");
        }
        let network = Self { address, prefix };
        if bits(address) != network.masked(address) {
            return error("has bits after the prefix");
        }
        Ok(network)
    }

    /// Whether an address is in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == bits(self.address)
    }

    /// The bits of an address up to the prefix.
    fn masked(&self, address: IpAddr) -> u128 {
        let after = width(address) - self.prefix;
        bits(address).checked_shr(after).and_then(|kept| kept.checked_shl(after)).unwrap_or(0)
    }
}

/// Bits of an address.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_the_addresses_of_its_prefix() {
        for (range, inside, outside) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["11.0.0.0", "9.255.255.255", "::a00:1"][..],
            ),
            ("0.0.0.0/0", &["1.2.3.4", "255.255.255.255"], &["::1"]),
            ("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            ("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::", "2001:db7::"]),
            ("::/0", &["::1", "ffff::"], &["1.2.3.4"]),
            ("::1", &["::1"], &["::2"]),
        ] {
            let network = Network::parse(range).expect(range);
            let has = |text: &&str| network.contains(text.parse().expect(text));
            assert!(inside.iter().all(has) && !outside.iter().any(has), "{range}");
            assert_eq!(Network::parse(&network.to_string()), Ok(network));
        }
    }

    #[test]
    fn a_wrong_range_is_told() {
        for (text, part) in [
            ("10.0.0.1/8", "bits after the prefix"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("::ffff:10.0.0.0/104", "IPv4"),
            ("10.0.0/8", "an address or a range"),
            ("proxy.example", "an address or a range"),
            ("", "an address or a range"),
        ] {
            let error = Network::parse(text).expect_err(text);
            assert!(error.contains(part) && error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
