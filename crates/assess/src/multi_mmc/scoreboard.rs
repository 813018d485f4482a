//! Which of the sixteen models predicts next (SP 800-90B §6.3.9: the scoreboard).

use crate::contexts::LONGEST;
use crate::prediction::Tally;

/// The scores of the models. Model number d predicts from the last d + 1 symbols.
#[derive(Default)]
pub(super) struct Scoreboard {
    scores: [u32; LONGEST],
    /// The model that predicts next: of equal scores the last model to reach it.
    pub(super) best: usize,
    pub(super) tally: Tally,
}

impl Scoreboard {
    /// Counts a prediction of model `model`. `predictor` is the best model before this symbol.
    /// A model without a prediction is neither right nor wrong: the reference program continues a
    /// run of correct predictions across it, where the standard would end it.
    #[inline]
    pub(super) fn count(&mut self, model: usize, predictor: usize, is_correct: bool) {
        if model == predictor {
            self.tally.count(is_correct);
        }
        if is_correct {
            self.scores[model] += 1;
            if self.scores[model] >= self.scores[self.best] {
                self.best = model;
            }
        }
    }

    /// Counts the predictions of all models for one bit.
    #[inline]
    pub(super) fn count_all(&mut self, outcome: &Outcome) {
        let high = self.scores[self.best];
        if outcome.seen[self.best] {
            self.tally.count(outcome.hits[self.best] == 1);
        }
        let mut scores = self.scores;
        let mut reached = 0;
        for (model, (score, hit)) in scores.iter_mut().zip(outcome.hits).enumerate() {
            *score += hit;
            reached |= hit & u32::from(*score >= high) & u32::from(model != self.best);
        }
        if reached == 1 {
            self.reorder(outcome);
        }
        self.scores = scores;
    }

    /// Recomputes the best model as if the scores were counted in order.
    #[cold]
    fn reorder(&mut self, outcome: &Outcome) {
        for (model, hit) in outcome.hits.into_iter().enumerate().filter(|(_, hit)| *hit == 1) {
            self.scores[model] += hit;
            if self.scores[model] >= self.scores[self.best] {
                self.best = model;
            }
        }
    }
}

/// The predictions of all models for one bit.
#[derive(Default)]
pub(super) struct Outcome {
    /// Whether each model had the context.
    pub(super) seen: [bool; LONGEST],
    /// 1 for each model that predicted the bit.
    pub(super) hits: [u32; LONGEST],
}
