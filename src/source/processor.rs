//! The processor's own description: the identity of the sources inside it.

use std::path::Path;

/// Where Linux describes the processors.
const CPUINFO: &str = "/proc/cpuinfo";

/// Vendor, family, model, stepping and name of the first processor, where the system says them.
#[must_use]
pub(crate) fn identity() -> Option<String> {
    describe(&std::fs::read_to_string(Path::new(CPUINFO)).ok()?)
}

fn describe(cpuinfo: &str) -> Option<String> {
    let first = cpuinfo.split("\n\n").next()?;
    let field = |name: &str| {
        let value = |line: &str| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        first.lines().find_map(value)
    };
    let name = field("model name")?;
    let parts = ["vendor_id", "cpu family", "model", "stepping"].map(field);
    let [Some(vendor), Some(family), Some(model), Some(stepping)] = parts else {
        return Some(name);
    };
    Some(format!("{name} ({vendor}, family {family}, model {model}, stepping {stepping})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_processor_is_named_with_its_numbers() {
        let text = "processor\t: 0\nvendor_id\t: V\ncpu family\t: 25\nmodel\t\t: 17\n\
                    model name\t: Example\nstepping\t: 1\n\nprocessor\t: 1\n";
        assert_eq!(describe(text).as_deref(), Some("Example (V, family 25, model 17, stepping 1)"));
        assert_eq!(describe("model name: Other\n").as_deref(), Some("Other"));
        assert_eq!(describe("Hardware: none of it\n"), None);
    }
}
