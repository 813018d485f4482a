//! Assessment from outside: agreement with NIST's reference program, and the command line.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "recipes have small numbers"
)]

mod capture;
mod command;
mod recipe;
mod report;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use lavawall_assess::{Estimator, Samples, assess};
use recipe::Recipe;

/// How closely the figures agree: the reference program prints six decimal places, and its own
/// self-test asks for ten.
const TOLERANCE: f64 = 1e-10;

#[test]
fn every_figure_is_that_of_the_reference_program() {
    let files = recipes();
    assert!(files.len() >= 20, "{} recipes", files.len());
    for file in files {
        let recipe = read(&file);
        let name = file.display();
        let samples = Samples::new(recipe.samples, Some(recipe.bits)).expect("samples");
        let found = assess(&samples, NonZeroUsize::MIN, &|_| ());
        for figure in &found.estimates {
            // A figure that is no number was read as none, and would not agree.
            let expected = recipe.figures[figure.estimator.name()];
            for (found, expected) in [figure.literal, figure.bitstring].into_iter().zip(expected) {
                let agree = match (found, expected) {
                    (Some(found), Some(expected)) => (found - expected).abs() < TOLERANCE,
                    (found, expected) => found.is_none() && expected.is_none(),
                };
                assert!(agree, "{name}: {} {found:?}, not {expected:?}", figure.estimator);
            }
        }
        let expected = recipe.min_entropy.expect("a min-entropy");
        assert!((found.min_entropy() - expected).abs() < TOLERANCE, "{name}");
        assert_eq!(recipe.figures.len(), Estimator::ALL.len(), "{name}");
    }
}

/// Writes the sequences to `$ASSESS_SEQUENCES`, as `NAME.BITS.bin`, to run another program on them:
/// `fixtures/assess/README.md` says how.
#[test]
#[ignore = "writes files, to obtain expected figures"]
fn write_sequences() {
    let folder = PathBuf::from(std::env::var_os("ASSESS_SEQUENCES").expect("a folder"));
    for file in recipes() {
        let recipe = read(&file);
        let stem = file.file_stem().expect("a name").to_string_lossy();
        fs::write(folder.join(format!("{stem}.{}.bin", recipe.bits)), recipe.samples)
            .expect("a folder that can be written");
    }
}

fn recipes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/assess");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("fixtures/assess")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "recipe"))
        .collect();
    files.sort();
    files
}

fn read(file: &Path) -> Recipe {
    let text = fs::read_to_string(file).expect("a recipe");
    Recipe::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
