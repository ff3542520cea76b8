//! Tiles as they travel: an Arrow stream of one batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, ListArray, PrimitiveArray, StructArray, UInt32Array};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Schema, UInt32Type};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use quelea_core::tile::{Role, Tile, Values};
use quelea_params::{Packet, Problem};

const TARGET: &str = "target";
const WEIGHT: &str = "weight";
const NUMBER: &str = "number";
const ROLE: &str = "role";
const VALIDATION: &str = "validation";
/// Bytes that a column takes beside its values: its schema, its place, what it is padded with. Most take less.
const BESIDE_COLUMN: usize = 512;

/// A tile as bytes.
pub(crate) fn write(tile: &Tile) -> Result<Packet, Problem> {
    let write = || {
        let batch = batch(tile)?;
        let sizes = batch.columns().iter().map(|column| Ok(column.to_data().get_slice_memory_size()? + BESIDE_COLUMN));
        let room = sizes.sum::<Result<usize, ArrowError>>()?;
        let mut writer = StreamWriter::try_new(Vec::with_capacity(room), &batch.schema())?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map(Packet::from).map_err(|e: ArrowError| Problem::internal(e.to_string()))
}

/// The tile of these bytes, which stay where they are.
pub(crate) fn read(bytes: Packet) -> Result<Tile, Problem> {
    let unreadable = |e: ArrowError| Problem::internal(format!("a tile cannot be read: {e}"));
    let mut bytes = Buffer::from_vec(Vec::from(bytes));
    match StreamDecoder::new().decode(&mut bytes).map_err(unreadable)? {
        Some(batch) => tile(&batch),
        None => Err(Problem::internal("a tile without rows")),
    }
}

fn batch(tile: &Tile) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (at, values) in tile.features.iter().enumerate() {
        let column: ArrayRef = match values {
            Values::Number(numbers) => Arc::new(Float32Array::new(numbers.clone(), None)),
            Values::Category(codes) => Arc::new(UInt32Array::new(codes.clone(), None)),
            Values::Sparse { offsets, indices, values } => Arc::new(list(offsets, indices, values.as_ref())?),
        };
        columns.push((at.to_string(), column));
    }
    if !tile.target.is_empty() {
        columns.push((TARGET.into(), Arc::new(Float32Array::new(tile.target.clone(), None))));
    }
    if let Some(weight) = &tile.weight {
        columns.push((WEIGHT.into(), Arc::new(Float32Array::new(weight.clone(), None))));
    }
    let field = |(name, column): &(String, ArrayRef)| Field::new(name, column.data_type().clone(), false);
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let role = if tile.role == Role::Validation { VALIDATION } else { "train" };
    let notes = [(NUMBER.to_string(), tile.number.to_string()), (ROLE.to_string(), role.to_string())].into();
    let schema = Arc::new(Schema::new_with_metadata(fields, notes));
    let options = RecordBatchOptions::new().with_row_count(Some(tile.rows));
    RecordBatch::try_new_with_options(schema, columns.into_iter().map(|(_, column)| column).collect(), &options)
}

/// Sparse rows as lists of indices, or of pairs where they have values.
fn list(offsets: &[u32], indices: &ScalarBuffer<u32>, values: Option<&ScalarBuffer<f32>>) -> Result<ListArray, ArrowError> {
    let first = offsets.first().copied().unwrap_or(0);
    let entries = (offsets.last().copied().unwrap_or(0) - first) as usize;
    let large = |_| ArrowError::OffsetOverflowError(entries);
    let offsets = offsets.iter().map(|offset| i32::try_from(offset - first)).collect::<Result<Vec<_>, _>>().map_err(large)?;
    let indices: ArrayRef = Arc::new(UInt32Array::new(indices.slice(first as usize, entries), None));
    let items: ArrayRef = match values {
        None => indices,
        Some(values) => {
            let values = Arc::new(Float32Array::new(values.slice(first as usize, entries), None));
            let fields = vec![Field::new("index", DataType::UInt32, false), Field::new("value", DataType::Float32, false)];
            Arc::new(StructArray::try_new(fields.into(), vec![indices, values], None)?)
        }
    };
    ListArray::try_new(Arc::new(Field::new("item", items.data_type().clone(), false)), OffsetBuffer::new(offsets.into()), items, None)
}

/// What [`list`] made.
fn sparse(column: &ArrayRef) -> Result<Values, Problem> {
    let list = column.as_list::<i32>();
    let offsets = list.value_offsets().iter().map(|&offset| offset as u32).collect::<Vec<_>>().into();
    match list.values().data_type() {
        DataType::Struct(_) => {
            let pairs = list.values().as_struct();
            let (indices, values) = (values::<UInt32Type>(pairs.column(0))?, values::<Float32Type>(pairs.column(1))?);
            Ok(Values::Sparse { offsets, indices, values: Some(values) })
        }
        _ => Ok(Values::Sparse { offsets, indices: values::<UInt32Type>(list.values())?, values: None }),
    }
}

fn tile(batch: &RecordBatch) -> Result<Tile, Problem> {
    let schema = batch.schema();
    let note = |key| schema.metadata().get(key).ok_or_else(|| Problem::internal(format!("a tile without its {key}")));
    let number = note(NUMBER)?.parse().map_err(|_| Problem::internal("a tile without a number"))?;
    let role = if note(ROLE)? == VALIDATION { Role::Validation } else { Role::Train };
    let mut tile = Tile { number, role, rows: batch.num_rows(), features: Vec::new(), target: Vec::new().into(), weight: None };
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        match (field.name().as_str(), column.data_type()) {
            (TARGET, _) => tile.target = values::<Float32Type>(column)?,
            (WEIGHT, _) => tile.weight = Some(values::<Float32Type>(column)?),
            (_, DataType::Float32) => tile.features.push(Values::Number(values::<Float32Type>(column)?)),
            (_, DataType::List(_)) => tile.features.push(sparse(column)?),
            (_, _) => tile.features.push(Values::Category(values::<UInt32Type>(column)?)),
        }
    }
    Ok(tile)
}

fn values<T: ArrowPrimitiveType>(column: &ArrayRef) -> Result<ScalarBuffer<T::Native>, Problem> {
    let column = column.as_any().downcast_ref::<PrimitiveArray<T>>();
    column.map(|column| column.values().clone()).ok_or_else(|| Problem::internal("a tile's column is of another type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_comes_back_as_it_went() {
        let numbers = vec![1.5, f32::NAN, -0.0].into();
        let codes = vec![0, quelea_core::tile::MISSING, quelea_core::tile::UNSEEN].into();
        for (target, weight) in [(vec![0.0, 1.0, 0.0], None), (Vec::new(), Some(vec![0.5, 0.0, 2.0].into()))] {
            let features = vec![Values::Number(ScalarBuffer::clone(&numbers)), Values::Category(ScalarBuffer::clone(&codes))];
            let tile = Tile { number: 7, role: Role::Validation, rows: 3, features, target: target.into(), weight };
            let back = read(write(&tile).unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{tile:?}"));
        }
    }

    #[test]
    fn sparse_rows_come_back_wherever_their_memory_begins() {
        let indices: ScalarBuffer<u32> = vec![9, 9, 0, 5, 1_000_000].into();
        for values in [None, Some(ScalarBuffer::from(vec![0.0, 0.0, 1.5, -2.0, 3.0]))] {
            let features = vec![Values::Sparse { offsets: vec![2, 2, 4, 5].into(), indices: indices.clone(), values: values.clone() }];
            let tile = Tile { number: 0, role: Role::Train, rows: 3, features, target: Vec::new().into(), weight: None };
            let back = read(write(&tile).unwrap()).unwrap();
            let Values::Sparse { offsets, indices, values: read } = &back.features[0] else { panic!("not sparse") };
            assert_eq!((&offsets[..], &indices[..]), (&[0, 0, 2, 3][..], &[0, 5, 1_000_000][..]));
            assert_eq!(read.as_deref(), values.as_deref().map(|values| &values[2..]));
        }
    }
}
