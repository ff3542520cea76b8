//! The trait that puts an estimator into model files and scores rows with it.

use quelea_core::estimator::EstimatorKind;
use quelea_core::schema::Schema;

use crate::Result;
use crate::graph::Graph;
use crate::read::parts::Parts;
use crate::score::kernel::Kernel;

/// A kind of estimator that a model file can hold.
///
/// ```text
///            check                 write                   file
///  estimator ─────▶ checked estimator ─────▶ nodes of a graph ─────▶ bytes
///                        │  ▲                       │
///                 kernel │  └──── check ◀──── read ─┘
///                        ▼
///                     scores
/// ```
///
/// `check` always runs before `write` and `kernel`, so these may index without bounds checks of their own. `read` takes an untrusted
/// file. Its caller checks the result, writes it again and compares the graphs, so `read` need not look for superfluous nodes; but
/// it must not panic, and must not allocate more than the file's length justifies.
///
/// The graph and the kernel compute the same: an ONNX runtime predicts what the kernel predicts, up to the rounding of its sums.
pub trait OnnxEstimator: EstimatorKind {
    /// Whether a graph holds an estimator of this kind: it has a node or constant that graphs of all other kinds lack.
    fn is_in(parts: &Parts) -> bool
    where
        Self: Sized;

    /// The estimator in a graph of which [`OnnxEstimator::is_in`] is true. The error names the part that is missing or damaged.
    fn read(parts: &Parts, schema: &Schema) -> Result<Self>
    where
        Self: Sized;

    /// Checks everything that `write` and `kernel` rely on: lengths, indices, finite numbers, and that it fits the schema and its
    /// target. The error names the part that is wrong.
    fn check(&self, schema: &Schema) -> Result<()>;

    /// A lower bound of the bytes that it takes in a file, found without building the graph: a model that cannot fit into a file is
    /// refused before memory is spent on it.
    fn least_bytes(&self) -> u64;

    /// Adds its nodes to a graph: from the raw inputs of `schema` to the outputs. The same estimator always adds the same nodes.
    fn write(&self, graph: &mut Graph, schema: &Schema);

    /// The estimator in a form that scores rows fast.
    fn kernel(&self, schema: &Schema) -> Box<dyn Kernel>;
}
