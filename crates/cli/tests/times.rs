//! Times as files hold them, in any unit and from any year: training sees the right ones, or the value is refused.

#![allow(missing_docs)]

mod program;

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, Date32Array, Date64Array, Int64Array, RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::data_type::{Int64Type, Int96, Int96Type};
use datafusion::parquet::file::writer::SerializedFileWriter;
use datafusion::parquet::schema::parser::parse_message_type;
use program::Folder;

const ROWS: usize = 120;
/// Julian day number of 1 January 1970.
const EPOCH: i64 = 2_440_588;
const DAY: i64 = 86_400;

/// Times that repeat `times`, and a target.
fn parquet(times: &dyn Array) -> Vec<u8> {
    let rows = Int64Array::from_iter_values((0..ROWS).map(|row| (row % times.len()) as i64));
    let times = datafusion::arrow::compute::take(times, &rows, None).unwrap();
    let target: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| (row % 2) as i64)));
    let batch = RecordBatch::try_from_iter_with_nullable([("t", times, true), ("y", target, true)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// As [`parquet`], with times as Spark and Impala write them: a Julian day and the nanoseconds since midnight.
fn int96(times: &[(i64, u64)]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message m { required int96 t; required int64 y; }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let time = |row: usize| {
        let (day, nanos) = times[row % times.len()];
        let mut time = Int96::new();
        time.set_data(nanos as u32, (nanos >> 32) as u32, day as u32);
        time
    };
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&(0..ROWS).map(time).collect::<Vec<_>>(), None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&(0..ROWS).map(|row| (row % 2) as i64).collect::<Vec<_>>(), None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

const TRAIN: &str = "train --target y --model gradient-boosting --set model.n_estimators=1 --set model.min_child_samples=1 --output m.onnx";

/// The smallest and the largest value of each part of the time, as training sees them, and rows without a time.
fn seen(folder: &Folder, source: &str) -> Vec<(f64, f64, u64)> {
    folder.succeed(&format!("{TRAIN} {source}"));
    let out = folder.succeed("inspect m.onnx --json").out;
    let model: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let parts = ["year", "month", "day", "weekday", "hour", "minute"].map(|part| {
        let features = model["schema"]["features"].as_array().unwrap();
        let feature = features.iter().find(|feature| feature["name"] == format!("t.{part}")).unwrap();
        let kind = &feature["kind"];
        (kind["min"].as_f64().unwrap(), kind["max"].as_f64().unwrap(), kind["missing"].as_u64().unwrap())
    });
    parts.to_vec()
}

/// What Python's datetime says of 0001-01-01 00:00:00 and 9999-12-31 23:59:59.
const OLD_AND_NEW: [(f64, f64, u64); 6] = [(1.0, 9999.0, 0), (1.0, 12.0, 0), (1.0, 31.0, 0), (0.0, 4.0, 0), (0.0, 23.0, 0), (0.0, 59.0, 0)];
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

#[test]
fn all_years_that_people_write_are_seen_in_every_type() {
    let folder = Folder::new();
    let seconds = [FIRST, LAST];
    folder.write("s.parquet", parquet(&TimestampSecondArray::from(seconds.to_vec())));
    folder.write("ms.parquet", parquet(&TimestampMillisecondArray::from_iter_values(seconds.map(|s| s * 1_000))));
    folder.write("us.parquet", parquet(&TimestampMicrosecondArray::from_iter_values(seconds.map(|s| s * 1_000_000))));
    let zoned = TimestampMicrosecondArray::from_iter_values(seconds.map(|s| s * 1_000_000)).with_timezone("+05:00");
    folder.write("zoned.parquet", parquet(&zoned));
    let last_nanos = (DAY as u64 - 1) * 1_000_000_000;
    folder.write("int96.parquet", int96(&[(EPOCH + FIRST / DAY, 0), (EPOCH + LAST / DAY, last_nanos)]));
    let rows = "0001-01-01T00:00:00,0\n9999-12-31T23:59:59,1\n".repeat(ROWS / 2);
    folder.write("t.csv", format!("t,y\n{rows}")).write("blank.csv", format!("t,y\n{}", rows.replace('T', " ")));
    for file in ["s.parquet", "ms.parquet", "us.parquet", "zoned.parquet", "int96.parquet", "t.csv", "blank.csv"] {
        assert_eq!(seen(&folder, &format!("--data {file}")), OLD_AND_NEW, "{file}");
        let query = format!(r#"--set data.query="SELECT*FROM/**/f" --set data.tables={{f="{file}"}}"#);
        assert_eq!(seen(&folder, &query), OLD_AND_NEW, "{file} by a query");
    }
    let days = seconds.map(|s| s.div_euclid(DAY));
    folder.write("date32.parquet", parquet(&Date32Array::from_iter_values(days.map(|day| day as i32))));
    folder.write("date64.parquet", parquet(&Date64Array::from_iter_values(days.map(|day| day * DAY * 1_000))));
    for file in ["date32.parquet", "date64.parquet"] {
        let seen = seen(&folder, &format!("--data {file}"));
        assert!(seen[..4] == OLD_AND_NEW[..4] && seen[4..] == [(0.0, 0.0, 0); 2], "{file}: {seen:?}");
    }
}

#[test]
fn files_with_times_of_different_units_are_one_table() {
    let folder = Folder::new();
    folder.write("t/a.parquet", parquet(&TimestampNanosecondArray::from(vec![0])));
    folder.write("t/b.parquet", parquet(&TimestampSecondArray::from(vec![FIRST, LAST])));
    folder.write("t/c.parquet", int96(&[(EPOCH + LAST / DAY, 0)]));
    let year = seen(&folder, "--data t")[0];
    assert_eq!(year, (1.0, 9999.0, 0));
    folder.write("dates/a.csv", "t,y\n2013-01-31,0\n").write("dates/b.csv", "t,y\n2013-01-31T17:20:00,1\n");
    assert_eq!(seen(&folder, "--data dates")[4..], [(0.0, 17.0, 0), (0.0, 20.0, 0)]);
}

#[test]
fn a_moment_before_1970_is_in_the_year_that_it_is_in() {
    let folder = Folder::new();
    folder.write("t.parquet", parquet(&TimestampNanosecondArray::from(vec![-1])));
    let seen = seen(&folder, "--data t.parquet");
    assert_eq!(seen.iter().map(|part| part.0).collect::<Vec<_>>(), [1969.0, 12.0, 31.0, 2.0, 23.0, 59.0]);
}

#[test]
fn times_that_64_bits_of_microseconds_cannot_hold_are_refused_by_row_and_column() {
    let folder = Folder::new();
    let far_days = i64::MAX / (DAY * 1_000_000) + 2;
    folder.write("s.parquet", parquet(&TimestampSecondArray::from(vec![0, 1 << 62])));
    folder.write("ms.parquet", parquet(&TimestampMillisecondArray::from(vec![0, i64::MIN])));
    folder.write("us.parquet", parquet(&TimestampMicrosecondArray::from(vec![0, i64::MIN])));
    folder.write("date32.parquet", parquet(&Date32Array::from(vec![0, i32::MAX])));
    folder.write("date64.parquet", parquet(&Date64Array::from(vec![0, i64::MAX / 7])));
    folder.write("int96.parquet", int96(&[(EPOCH, 0), (EPOCH + far_days, 0)]));
    folder.write("old96.parquet", int96(&[(EPOCH, 0), (EPOCH - far_days, 0)]));
    for file in ["s", "ms", "us", "date32", "date64", "int96", "old96"] {
        let place = format!("{file}.parquet: row 2, column \"t\"");
        folder.refuse(&format!("{TRAIN} --data {file}.parquet"), &[&place, "64 bits of microseconds"]);
        // Shown as far as that is possible, with what training would say.
        let inspected = folder.run(&format!("inspect {file}.parquet"));
        let said = inspected.out + &inspected.err;
        assert!(said.contains(&place) && said.contains("64 bits of microseconds") && !said.contains("ERROR"), "{said}");
    }
    folder.write("units/a.parquet", parquet(&TimestampMicrosecondArray::from(vec![0])));
    folder.write("units/b.parquet", parquet(&TimestampSecondArray::from(vec![0, 1 << 62])));
    folder.refuse(&format!("{TRAIN} --data units"), &["units/b.parquet: row 2, column \"t\"", "64 bits of microseconds"]);
    folder.write("t.parquet", parquet(&TimestampMicrosecondArray::from(vec![0, 1])));
    folder.succeed(&format!("{TRAIN} --data t.parquet"));
    for command in ["predict m.onnx s.parquet --output p.csv", "evaluate m.onnx s.parquet"] {
        folder.refuse(command, &["s.parquet: row 2, column \"t\"", "64 bits of microseconds"]);
    }
}
