//! The four predictors as SP 800-90B §6.3.7 to §6.3.10 spells them out, step by step and slow, with
//! their sizes as parameters: right or wrong for each prediction.

use std::collections::{HashMap, HashSet};

/// §6.3.7, over windows of these lengths.
pub(super) fn multi_mcw(symbols: &[u8], windows: &[usize]) -> Vec<bool> {
    let mut scores = vec![0; windows.len()];
    let mut winner = 0;
    let mut correct = Vec::new();
    for at in windows[0]..symbols.len() {
        let frequent: Vec<_> = windows
            .iter()
            .map(|len| (at >= *len).then(|| most_common(&symbols[at - len..at])))
            .collect();
        correct.push(frequent[winner] == Some(symbols[at]));
        score(&mut scores, &mut winner, &frequent, symbols[at]);
    }
    correct
}

/// §6.3.8, with lags up to `longest`.
pub(super) fn lag(symbols: &[u8], longest: usize) -> Vec<bool> {
    let mut scores = vec![0; longest];
    let mut winner = 0;
    let mut correct = Vec::new();
    for at in 1..symbols.len() {
        let lagged: Vec<_> =
            (1..=longest).map(|lag| at.checked_sub(lag).map(|at| symbols[at])).collect();
        correct.push(lagged[winner] == Some(symbols[at]));
        score(&mut scores, &mut winner, &lagged, symbols[at]);
    }
    correct
}

/// §6.3.9, with contexts up to `longest` and `room` pairs for each length. As in the reference
/// program the first pair of each length is there from the start, and a prediction is left out
/// where the model that should make it knows none.
pub(super) fn multi_mmc(symbols: &[u8], longest: usize, room: usize) -> Vec<bool> {
    let mut models: Vec<HashMap<&[u8], HashMap<u8, u32>>> = vec![HashMap::new(); longest];
    let mut scores = vec![0; longest];
    let mut winner = 0;
    let mut correct = Vec::new();
    for at in 2..symbols.len() {
        for (model, len) in models.iter_mut().zip(1..).take_while(|(_, len)| at > *len) {
            let context = &symbols[at - 1 - len..at - 1];
            let pairs: usize = model.values().map(HashMap::len).sum();
            let is_known = model.get(context).is_some_and(|y| y.contains_key(&symbols[at - 1]));
            if is_known || pairs < room {
                *model.entry(context).or_default().entry(symbols[at - 1]).or_default() += 1;
            }
        }
        let predicted: Vec<_> = models
            .iter()
            .zip(1..)
            .map(|(model, len)| {
                let context = &symbols[at.checked_sub(len)?..at];
                model.get(context).map(|followers| likeliest(followers).0)
            })
            .collect();
        correct.extend(predicted[winner].map(|predicted| predicted == symbols[at]));
        score(&mut scores, &mut winner, &predicted, symbols[at]);
    }
    correct
}

/// §6.3.10, with contexts up to `longest` and `room` of them.
pub(super) fn lz78y(symbols: &[u8], longest: usize, room: usize) -> Vec<bool> {
    let mut dictionary: HashMap<&[u8], HashMap<u8, u32>> = HashMap::new();
    let mut correct = Vec::new();
    for at in longest + 1..symbols.len() {
        for len in (1..=longest).rev() {
            let context = &symbols[at - 1 - len..at - 1];
            if dictionary.contains_key(context) || dictionary.len() < room {
                *dictionary.entry(context).or_default().entry(symbols[at - 1]).or_default() += 1;
            }
        }
        let mut prediction = (None, 0);
        for len in (1..=longest).rev() {
            if let Some(followers) = dictionary.get(&symbols[at - len..at]) {
                let (symbol, count) = likeliest(followers);
                if count > prediction.1 {
                    prediction = (Some(symbol), count);
                }
            }
        }
        correct.push(prediction.0 == Some(symbols[at]));
    }
    correct
}

/// The most common symbol, of several the one seen last.
fn most_common(window: &[u8]) -> u8 {
    let distinct: HashSet<_> = window.iter().collect();
    *distinct
        .into_iter()
        .max_by_key(|symbol| {
            let count: usize = window.iter().map(|other| usize::from(other == *symbol)).sum();
            (count, window.iter().rposition(|other| other == *symbol))
        })
        .expect("a window is not empty")
}

/// The most common follower, of several the largest, and how often it followed.
fn likeliest(followers: &HashMap<u8, u32>) -> (u8, u32) {
    let (symbol, count) =
        followers.iter().max_by_key(|(symbol, count)| (**count, **symbol)).expect("a follower");
    (*symbol, *count)
}

fn score(scores: &mut [u32], winner: &mut usize, predicted: &[Option<u8>], symbol: u8) {
    for number in 0..predicted.len() {
        if predicted[number] == Some(symbol) {
            scores[number] += 1;
            if scores[number] >= scores[*winner] {
                *winner = number;
            }
        }
    }
}
