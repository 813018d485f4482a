//! The output of an assessment, and its comparison with the claim.

/// The output of an assessment, as text and as JSON.
pub(crate) struct AssessmentOutput {
    pub(crate) text: String,
    pub(crate) json: String,
    /// Why the samples are not as claimed.
    pub(crate) complaint: Option<String>,
}

/// The complaint about a min-entropy below the claim.
pub(crate) fn below_claim(min_entropy: f64, claim: Option<f64>) -> Option<String> {
    let claim = claim.filter(|claim| min_entropy < *claim)?;
    Some(format!("the claim of {claim} bits per sample is not met: {min_entropy:.6}"))
}

/// A figure with six decimals, or `-`.
pub(crate) fn number(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.6}"))
}
