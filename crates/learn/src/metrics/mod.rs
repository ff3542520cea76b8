//! Metrics of predictions against the truth, equal to scikit-learn's.
