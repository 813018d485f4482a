//! The output entropy of a conditioning component (SP 800-90B §3.1.5).

use std::f64::consts::LN_2;

/// The sizes of a conditioning component, in bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditioningComponent {
    /// Input bits per block, `n_in`. At least 1.
    pub input_bits: f64,
    /// Output bits per block, `n_out`. At least 1.
    pub output_bits: f64,
    /// The narrowest internal width, `nw`, in bits. At least 1.
    pub narrowest_bits: f64,
}

/// The entropy of one output block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputEntropy {
    /// Entropy in bits, 0 to `n_out`.
    pub bits: f64,
    /// The difference to min(`n_out`, `nw`) in bits. It is exact even where the difference is too
    /// small to change the digits of `bits`.
    pub deficit_bits: f64,
}

impl ConditioningComponent {
    /// SHA-256 over `input_bits` bits of input: a vetted component (§3.1.5.1.1).
    #[must_use]
    pub fn sha256(input_bits: f64) -> Self {
        Self { input_bits, output_bits: 256.0, narrowest_bits: 256.0 }
    }

    /// The output entropy of a vetted component (§3.1.5.1.2). `entropy_bits` is the entropy of one
    /// input block, 0 to `n_in`.
    ///
    /// ```text
    /// P_high = 2^-h_in      P_low = (1 − P_high)/(2^n_in − 1)      n = min(n_out, nw)
    /// ψ = 2^(n_in−n) P_low + P_high
    /// U = 2^(n_in−n) + √(2n · 2^(n_in−n) · ln 2)      ω = U · P_low
    /// h_out = −log₂ max(ψ, ω)
    /// ```
    /// It is computed as n less a deficit: a deficit of 2⁻⁷¹ would be lost in the digits of 256.
    ///
    /// ```rust
    /// use lavawall_assess::ConditioningComponent;
    ///
    /// // Full entropy: within 2^-32 of 256 bits (FIPS 140-3 IG D.K, resolution 19). It takes
    /// // 64 bits more of input entropy than there are output bits.
    /// let sha256 = ConditioningComponent::sha256(1024.0);
    /// assert!(sha256.vetted(320.0).deficit_bits < 2_f64.powi(-32));
    /// assert!(sha256.vetted(256.0).deficit_bits > 0.99);
    /// ```
    #[must_use]
    pub fn vetted(&self, entropy_bits: f64) -> OutputEntropy {
        let n = self.output_bits.min(self.narrowest_bits);
        let high = (-entropy_bits).exp2();
        // 2^n_in · P_low is 1 + low.
        let extra = 1.0 / (self.input_bits.exp2() - 1.0);
        let low = extra - high * (1.0 + extra);
        let psi = low + (n - entropy_bits).exp2();
        let spread = (2.0 * n * LN_2 * (n - self.input_bits).exp2()).sqrt();
        let omega = spread + low + spread * low;
        let deficit_bits = psi.max(omega).ln_1p() / LN_2;
        OutputEntropy { bits: n - deficit_bits, deficit_bits }
    }

    /// The output entropy of a component that is not vetted (§3.1.5.2): at most 0.999 `n_out`, and
    /// at most `n_out` · `per_bit`. `per_bit` is the assessed min-entropy of one output bit, 0 to
    /// 1.
    #[must_use]
    pub fn not_vetted(&self, entropy_bits: f64, per_bit: f64) -> OutputEntropy {
        let n = self.output_bits.min(self.narrowest_bits);
        let most = (0.999 * self.output_bits).min(per_bit * self.output_bits);
        let bits = self.vetted(entropy_bits).bits.min(most);
        OutputEntropy { bits, deficit_bits: n - bits }
    }
}

#[cfg(test)]
mod tests {
    use super::ConditioningComponent;

    /// `(n_in, n_out, nw, h_in, h_out, −log₂ of the deficit's share of n)`, found by
    /// `ea_conditioning -v` of usnistgov/SP800-90B_EntropyAssessment 1.1.7.
    const KNOWN: [(f64, f64, f64, f64, f64, Option<f64>); 6] = [
        (512.0, 256.0, 256.0, 320.0, 256.0, Some(71.471_233_627_05)),
        (1024.0, 256.0, 256.0, 321.0, 256.0, Some(72.471_233_627_05)),
        (512.0, 256.0, 256.0, 256.0, 255.0, None),
        (64.0, 32.0, 32.0, 20.5, 20.499_501_971_343_163, None),
        (128.0, 128.0, 64.0, 100.0, 63.999_999_996_836_03, None),
        (16.0, 8.0, 8.0, 3.0, 2.961_080_424_780_796, None),
    ];

    /// Full entropy lacks no more than this share of a bit (FIPS 140-3 IG D.K, resolution 19):
    /// 2⁻³².
    const FULL: f64 = 1.0 / 4_294_967_296.0;

    #[test]
    fn the_output_is_that_of_the_reference_program() {
        for (input_bits, output_bits, narrowest_bits, entropy, bits, deficit) in KNOWN {
            let out =
                ConditioningComponent { input_bits, output_bits, narrowest_bits }.vetted(entropy);
            assert!((out.bits - bits).abs() < 1e-10, "{entropy}: {out:?}");
            if let Some(deficit) = deficit {
                let share = out.deficit_bits / 256.0;
                assert!((share.log2() + deficit).abs() < 1e-9, "{entropy}: {out:?}");
            }
        }
    }

    #[test]
    fn a_block_of_ours_has_full_entropy_from_320_credited_bits_on() {
        // A YUYV frame of 640 × 480 pixels, in bits: 2^n_in overflows to infinity, without harm.
        let frame = ConditioningComponent::sha256(640.0 * 480.0 * 16.0);
        assert!(frame.vetted(320.0).deficit_bits < FULL);
        assert!(frame.vetted(256.0).deficit_bits > 0.99);
    }

    #[test]
    fn what_is_not_vetted_never_has_full_entropy() {
        let out = ConditioningComponent::sha256(512.0).not_vetted(512.0, 1.0);
        assert!((out.bits - 0.999 * 256.0).abs() < 1e-9);
        assert!(
            (ConditioningComponent::sha256(512.0).not_vetted(512.0, 0.9).bits - 0.9 * 256.0).abs()
                < 1e-9
        );
    }
}
