//! What a source's noise was measured with: all that must be the same for a measurement to hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{Facts, SetupFacts, SourceSpec};

/// What a source is, how it is set, and what one symbol of it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Setup {
    /// The `type` of its configuration.
    #[serde(rename = "type")]
    pub source_type: String,
    /// The device's identity, or the processor, where the source knows it.
    pub device: Option<String>,
    /// How the device codes what it gives: a pixel format, `bytes` or `deltas`.
    pub format: String,
    /// Width and height in pixels, of pictures.
    pub resolution: Option<[u32; 2]>,
    /// Every other setting, and what the device would not have set.
    pub settings: String,
    /// Which part of a picture is looked at.
    pub grid: Option<String>,
    /// What one symbol is.
    pub symbol: String,
}

/// The first thing that is not as it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which: `device`, `format`, `resolution`, …
    pub field: &'static str,
    /// What it was measured with.
    pub measured: String,
    /// What it is now.
    pub now: String,
}

impl Setup {
    /// The setup of a source that is configured like this and, once opened, says this of itself.
    #[must_use]
    pub fn of(spec: &SourceSpec, facts: &Facts) -> Self {
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

    /// The first thing in which `now` is not as it was measured.
    ///
    /// # Errors
    /// Names it, with both values.
    pub fn check(&self, now: &Self) -> Result<(), Mismatch> {
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
