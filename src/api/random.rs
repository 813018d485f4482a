//! `/random` and its relatives as JSON. The service writes these as it draws; here is their form.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = serde_json::json!({ "format": "hex", "bytes": 4, "data": "9f86d081" }))]
pub struct RandomBytes {
    /// The encoding, always hex.
    #[schemars(schema_with = "hex")]
    pub format: String,
    /// Random bytes, before encoding.
    #[schemars(range(min = 1))]
    pub bytes: u64,
    /// The bytes, two digits each.
    #[schemars(regex(pattern = "^([0-9a-f]{2})+$"))]
    pub data: String,
}

fn hex(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "const": "hex" })
}

/// Random integers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Integers {
    /// In the order they were drawn.
    pub data: Vec<i64>,
}

/// Random strings or UUIDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Texts {
    /// In the order they were drawn.
    pub data: Vec<String>,
}
