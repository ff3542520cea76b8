//! Which links fit which targets.

use quelea_core::estimator::Link;
use quelea_core::schema::Target;

use crate::Result;
use crate::check::wrong;

/// Refuses a link that does not fit the target and the number of scores of a row.
pub fn check(target: &Target, link: Link, outputs: usize) -> Result<()> {
    let fits = match (target, link) {
        (Target::Number { .. }, Link::Identity) => outputs == 1,
        (Target::Classes { labels, weights, .. }, Link::Logistic) => {
            outputs == 1 && labels.len() == 2 && weights.iter().all(|w| w.is_finite())
        }
        (Target::Classes { labels, weights, .. }, Link::Softmax) => {
            outputs == labels.len() && outputs > 1 && weights.iter().all(|w| w.is_finite())
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(wrong("the link", format!("{link:?} with {outputs} outputs does not fit the target"))) }
}
