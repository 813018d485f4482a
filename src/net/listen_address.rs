//! The address to listen on, as it is written: `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Reads an address and a port. `localhost` is `127.0.0.1`: names of other kinds may change their address.
///
/// # Errors
/// What is missing, with the value.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!(
            "must be an address and a port, such as \"127.0.0.1:8080\" (got {text:?})"
        ));
    };
    match (host, port.parse::<u16>()) {
        (_, Err(_)) => Err(format!("the port must be from 0 to 65535 (got {text:?})")),
        ("localhost", Ok(port)) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        ("" | "*", Ok(port)) => Err(format!(
            "the address is missing: \"127.0.0.1:{port}\" is for this machine, \"0.0.0.0:{port}\" or \
             \"[::]:{port}\" for every network (got {text:?})"
        )),
        (host, Ok(port)) if host.contains(':') => {
            Err(format!("an IPv6 address needs brackets: \"[{host}]:{port}\" (got {text:?})"))
        }
        (_, Ok(_)) => Err(format!("must be an IP address or localhost, not a name (got {text:?})")),
    }
}

/// For serde.
pub(crate) fn serialize<S: Serializer>(address: &SocketAddr, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(address)
}

/// For serde.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_or_told_what_is_missing() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:8080", "127.0.0.1:8080"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), address);
        }
        for (text, part) in [
            (":8080", "the address is missing"),
            ("*:8080", "\"0.0.0.0:8080\""),
            ("8080", "an address and a port"),
            ("127.0.0.1", "an address and a port"),
            ("localhost", "an address and a port"),
            ("localhost:http", "from 0 to 65535"),
            ("127.0.0.1:65536", "from 0 to 65535"),
            ("::1:8080", "[::1]:8080"),
            ("random.example:8080", "not a name"),
            ("", "an address and a port"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part) && error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
