//! Known answers, properties, and the estimators against plain transcriptions of the standard.
//! Agreement with the reference program is tested from outside, in `tests/assess`.

mod plain;
mod predictors;
mod properties;
mod standard;
