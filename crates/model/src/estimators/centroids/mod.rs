//! Cluster centres.

mod check;
mod read;
mod score;
mod write;

use quelea_core::estimator::Centroids;
use quelea_core::schema::Schema;

use super::OnnxEstimator;
use crate::Result;
use crate::graph::Graph;
use crate::read::parts::Parts;
use crate::score::kernel::Kernel;

impl OnnxEstimator for Centroids {
    fn is_in(parts: &Parts) -> bool {
        parts.has_node(&parts.names.of(write::ROOT))
    }

    fn read(parts: &Parts, schema: &Schema) -> Result<Self> {
        read::read(parts, schema)
    }

    fn check(&self, schema: &Schema) -> Result<()> {
        check::check(self, schema)
    }

    fn least_bytes(&self) -> u64 {
        write::least_bytes(self)
    }

    fn write(&self, graph: &mut Graph, schema: &Schema) {
        write::write(graph, schema, self);
    }

    fn kernel(&self, _: &Schema) -> Box<dyn Kernel> {
        Box::new(score::CentroidsKernel::new(self))
    }
}
