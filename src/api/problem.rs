//! The error answer: a problem document of RFC 9457.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::names::KindName;

/// RFC 9457, with the parameter that is wrong, or the quorum that is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemDocument {
    /// Leads to its paragraph in /docs.
    #[serde(rename = "type")]
    #[schemars(extend("format" = "uri-reference"))]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: Cow<'static, str>,
    /// The status code.
    pub status: u16,
    /// The reason in a sentence.
    pub detail: String,
    /// The parameter or header that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The allowed range or values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The given value, cut to a bounded length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Kinds of source that are healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<KindName>>")]
    pub present: Option<Vec<Cow<'static, str>>>,
    /// Kinds of source that are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
}
