//! Tests of logistic regression.
