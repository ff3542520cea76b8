//! How the scores of a row become its prediction: in a graph, in the scorer, and which links fit which targets.

mod check;
mod score;
mod write;

use quelea_core::estimator::Link;
use quelea_core::schema::Target;

pub use check::check;
pub use score::Outputs;
pub use write::write;

/// The link of an estimator in a file, which only the target and the number of its scores tell.
pub fn of_target(target: &Target, outputs: usize) -> Link {
    match target {
        Target::Classes { .. } if outputs == 1 => Link::Logistic,
        Target::Classes { .. } => Link::Softmax,
        Target::None | Target::Number { .. } => Link::Identity,
    }
}
