//! The setup of a measurement: everything that must be unchanged for it to hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{Facts, SetupFacts, SourceSpec};

/// A source's device, its settings and its symbols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Setup {
    /// The `type` of its configuration.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The device's identity, or the processor, where the source knows it.
    pub device: Option<String>,
    /// How the device codes its samples: a pixel format, `bytes`, `deltas` or `recording`.
    pub format: String,
    /// Width and height in pixels, of pictures.
    pub resolution: Option<[u32; 2]>,
    /// Every other setting, and those that the device refused.
    pub settings: String,
    /// The sampled part of a picture.
    pub grid: Option<String>,
    /// One symbol, in words.
    pub symbol: String,
}

/// The first difference from the measured setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The field: `device`, `format`, `resolution`, …
    pub field: &'static str,
    /// The measured value.
    pub measured: String,
    /// The present value.
    pub now: String,
}

impl Setup {
    /// The setup of a source with this configuration and, once opened, these facts.
    #[must_use]
    pub(crate) fn of(spec: &SourceSpec, facts: &Facts) -> Self {
        let SetupFacts { format, resolution, mut settings } = spec.setup();
        for note in &facts.notes {
            settings.push_str("; ");
            settings.push_str(note);
        }
        Self {
            source_type: spec.type_name().to_owned(),
            device: facts.identity.clone(),
            format: format.to_owned(),
            resolution,
            settings,
            grid: spec.entry().samples.grid(),
            symbol: spec.entry().samples.symbol().to_owned(),
        }
    }

    /// Compares this measured setup with `now`.
    ///
    /// # Errors
    /// The first difference, with both values.
    pub(crate) fn check(&self, now: &Self) -> Result<(), Mismatch> {
        let was = self.fields();
        let differs = |(was, now): &((_, String), (_, String))| was != now;
        match was.into_iter().zip(now.fields()).find(differs) {
            None => Ok(()),
            Some(((field, measured), (_, now))) => Err(Mismatch { field, measured, now }),
        }
    }

    fn fields(&self) -> [(&'static str, String); 7] {
        let resolution = self.resolution.map(|[width, height]| format!("{width}x{height}"));
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        [
            ("type", self.source_type.clone()),
            ("device", or_none(&self.device)),
            ("format", self.format.clone()),
            ("resolution", or_none(&resolution)),
            ("settings", self.settings.clone()),
            ("grid", or_none(&self.grid)),
            ("symbol", self.symbol.clone()),
        ]
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, measured, now } = self;
        write!(f, "{field}: measured with {measured:?}, now {now:?}")
    }
}

#[cfg(test)]
mod tests;
