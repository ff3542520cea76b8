//! Clusterings by centres.
