//! Colours as a camera gives them.

/// Luma and the two colour differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colour {
    /// 0 to 255.
    pub(super) y: f32,
    /// Around 128.
    pub(super) u: f32,
    /// Around 128.
    pub(super) v: f32,
}

impl Colour {
    /// From red, green and blue, 0 to 255 each (ITU-T T.871 §7, full range).
    pub(super) fn rgb(red: f32, green: f32, blue: f32) -> Self {
        Self {
            y: 0.299 * red + 0.587 * green + 0.114 * blue,
            u: 128.0 - 0.168_736 * red - 0.331_264 * green + 0.5 * blue,
            v: 128.0 + 0.5 * red - 0.418_688 * green - 0.081_312 * blue,
        }
    }

    /// This colour at 0, `other` at 1.
    pub(super) fn towards(self, other: Self, share: f32) -> Self {
        let mix = |from: f32, to: f32| from + (to - from) * share;
        Self { y: mix(self.y, other.y), u: mix(self.u, other.u), v: mix(self.v, other.v) }
    }

    /// As bright as this many times itself, of the same hue.
    pub(super) fn lit(self, light: f32) -> Self {
        let tint = |difference: f32| 128.0 + (difference - 128.0) * light.min(1.3);
        Self { y: self.y * light, u: tint(self.u), v: tint(self.v) }
    }
}
