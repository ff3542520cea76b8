//! Fits the design matrix of linear models and clusterings: exact moments of every column.
