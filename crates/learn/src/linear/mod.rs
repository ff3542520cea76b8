//! Linear models by exact Newton steps.
