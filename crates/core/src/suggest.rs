//! The nearest of several words, for error messages.

/// The candidate that `word` is most likely a misspelling of.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let score = |candidate: &str| strsim::jaro_winkler(&lower, &candidate.to_lowercase());
    let best = candidates.into_iter().map(|c| (score(c), c)).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))?;
    (best.0 > 0.8).then_some(best.1)
}

/// A message of serde's about an unknown variant, with the variant that was probably meant.
pub fn complete(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    if let (true, Some(unknown)) = (message.starts_with("unknown variant"), words.next())
        && let Some(meant) = nearest(unknown, words)
    {
        return format!("{message}; did you mean {meant}?");
    }
    message.into()
}
