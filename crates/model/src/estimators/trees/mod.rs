//! Sums of decision trees.

mod check;
mod read;
mod score;
mod write;

use quelea_core::estimator::Trees;
use quelea_core::schema::Schema;

use super::OnnxEstimator;
use crate::Result;
use crate::graph::Graph;
use crate::read::parts::Parts;
use crate::score::kernel::Kernel;

impl OnnxEstimator for Trees {
    fn is_in(parts: &Parts) -> bool {
        parts.has_node(&parts.names.of(write::TREES))
    }

    fn read(parts: &Parts, schema: &Schema) -> Result<Self> {
        read::read(parts, schema)
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        check::check(self, schema)
    }

    fn least_bytes(&self) -> u64 {
        self.trees.iter().map(write::least_bytes).sum()
    }

    fn write(&self, graph: &mut Graph, schema: &Schema) {
        write::write(graph, schema, self);
    }

    fn kernel(&self, schema: &Schema) -> Box<dyn Kernel> {
        Box::new(score::TreesKernel::new(self, schema))
    }
}
