//! Known-answer self-tests of every primitive on the path from sample to answer.
