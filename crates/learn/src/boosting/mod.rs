//! Gradient boosting of decision trees over histograms.
