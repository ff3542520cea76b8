//! Cluster centres from the constants of their graph.

use quelea_core::estimator::Centroids;
use quelea_core::schema::Schema;

use super::write::{CENTERS, TABLE};
use crate::Result;
use crate::design::{Layout, read};
use crate::read::parts::{Parts, floats, wrong};

/// The centroids of a graph.
pub fn read(parts: &Parts, schema: &Schema) -> Result<Centroids> {
    let design = read::design(parts, schema, TABLE)?;
    let layout = Layout::of(&design);
    let columns = layout.numbers.len();
    let numbers = if columns == 0 { Vec::new() } else { floats(parts.constant(&parts.names.of(CENTERS))?)? };
    let clusters = match layout.tables.first() {
        _ if columns > 0 => numbers.len() / columns,
        Some(table) => {
            let name = parts.names.of_column(&schema.features[table.feature].name, TABLE);
            parts.constant(&name)?.raw_data.len() / size_of::<f32>() / (table.width + 1)
        }
        None => 0,
    };
    if clusters == 0 || numbers.len() != clusters * columns {
        return Err(wrong("tensor", &parts.names.of(CENTERS), "has the wrong length"));
    }
    let categories = read::categories(parts, schema, &layout, (TABLE, clusters), floats)?;
    // The file justifies the product: it has a number for each column and cluster.
    let mut centers = vec![vec![0.0; design.width()]; clusters];
    for (cluster, center) in centers.iter_mut().enumerate() {
        let own = &numbers[cluster * columns..(cluster + 1) * columns];
        layout.numbers.iter().zip(own).for_each(|(&column, &value)| center[column] = value);
        for (feature, table) in layout.tables.iter().zip(&categories) {
            let values = table.iter().skip(cluster).step_by(clusters);
            center[feature.columns()].iter_mut().zip(values).for_each(|(own, &value)| *own = value);
        }
    }
    Ok(Centroids { design, centers })
}
