//! Known-answer self-tests of every primitive on the path from sample to answer.

/// stub until the merge
pub struct Primitives;
impl Primitives {
    /// stub
    pub const REAL: Self = Self;
}
/// # Errors
/// stub
pub fn run(_: &Primitives) -> Result<(), String> {
    Ok(())
}
