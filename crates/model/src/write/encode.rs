//! The encoders of a graph: text to codes, timestamps to their parts, and features side by side.

use quelea_core::hash::bucket;
use quelea_core::schema::{Feature, FeatureKind, Hashed, Schema, TimePart};
use quelea_core::tile::MISSING;

use crate::graph::{Graph, floats, int, int64s, strings, tensor};
use crate::proto::{TensorProto, element};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The code of an unseen category where codes are floats; a missing one is NaN.
pub const UNSEEN_CODE: f32 = -1.0;
/// What the node is called that gives a hashed column's buckets.
pub const BUCKET: &str = "bucket";

/// A feature as 32-bit floats of shape [rows, 1]: a number, or a category's code.
pub fn float_feature(graph: &mut Graph, schema: &Schema, feature: &Feature) -> String {
    let input = &schema.inputs[feature.input].name;
    match &feature.kind {
        FeatureKind::Number { part: None, .. } => number(graph, schema, input),
        FeatureKind::Number { part: Some(part), .. } => time_part(graph, schema, input, *part),
        FeatureKind::Category { values, aliases, .. } => {
            let markers = std::iter::repeat_n(f32::NAN, missing_texts(schema).count());
            let of_aliases = aliases.iter().map(|&(_, code)| if code == MISSING { f32::NAN } else { code as f32 });
            let codes: Vec<f32> = markers.chain((0..values.len()).map(|c| c as f32)).chain(of_aliases).collect();
            let codes = floats(&[codes.len()], &codes);
            label_encoder(graph, schema, (feature.input, "code"), (values, aliases), codes, floats(&[1], &[UNSEEN_CODE]))
        }
        FeatureKind::Sparse { .. } => unreachable!("a sparse feature is no column of numbers"),
    }
}

/// A number with NaN in place of those that stand for a missing value.
fn number(graph: &mut Graph, schema: &Schema, input: &str) -> String {
    schema.null_numbers.iter().fold(input.to_owned(), |number, null| {
        let [marker, is_null, known] = [
            graph.names.of(&format!("null/{null}")),
            graph.names.of_column(input, &format!("is {null}")),
            graph.names.of_column(input, &format!("not {null}")),
        ];
        let marker = graph.constant(marker, floats(&[], &[*null]));
        let is_null = graph.op("Equal", &[&number, &marker], is_null);
        let nan = graph.nan();
        graph.op("Where", &[&is_null, &nan, &number], known)
    })
}

/// A category as 64-bit integers of shape [rows]: its code, and two codes past the last for missing and unseen ones.
pub fn row_numbers(graph: &mut Graph, schema: &Schema, feature: &Feature, missing: usize, unseen: usize) -> String {
    let FeatureKind::Category { values, aliases, .. } = &feature.kind else { unreachable!("only a category has codes") };
    let markers = std::iter::repeat_n(missing as i64, missing_texts(schema).count());
    let of_aliases = aliases.iter().map(|&(_, code)| if code == MISSING { missing as i64 } else { i64::from(code) });
    let codes: Vec<i64> = markers.chain(0..values.len() as i64).chain(of_aliases).collect();
    let codes = int64s(&[codes.len()], &codes);
    let code = label_encoder(graph, schema, (feature.input, "code"), (values, aliases), codes, int64s(&[1], &[unseen as i64]));
    let all = graph.names.of("all_rows");
    let all = graph.constant(all, int64s(&[1], &[-1]));
    let flat = graph.names.of_column(&feature.name, "codes");
    graph.op("Reshape", &[&code, &all], flat)
}

/// A hashed column as 64-bit integers of its input's shape: buckets, and the number of buckets for missing and unseen texts.
pub fn buckets(graph: &mut Graph, schema: &Schema, hashed: &Hashed, buckets: u32) -> String {
    let (name, nowhere) = (&schema.inputs[hashed.input].name, i64::from(buckets));
    let of_texts = hashed.values.iter().map(|text| i64::from(bucket(name, text, buckets)));
    let codes: Vec<i64> = std::iter::repeat_n(nowhere, missing_texts(schema).count()).chain(of_texts).collect();
    let codes = int64s(&[codes.len()], &codes);
    label_encoder(graph, schema, (hashed.input, BUCKET), (&hashed.values, &[]), codes, int64s(&[1], &[nowhere]))
}

/// Texts that stand for a missing value.
pub fn missing_texts(schema: &Schema) -> impl Iterator<Item = &str> {
    let markers = schema.null_values.iter().enumerate();
    let fresh = markers.filter(|(i, m)| !m.is_empty() && !schema.null_values[..*i].contains(m)).map(|(_, m)| m.as_str());
    std::iter::once("").chain(fresh)
}

fn label_encoder(
    graph: &mut Graph,
    schema: &Schema,
    (input, what): (usize, &str),
    (values, aliases): (&[String], &[(String, u32)]),
    codes: TensorProto,
    unseen: TensorProto,
) -> String {
    let values = values.iter().map(String::as_str);
    let keys: Vec<&str> = missing_texts(schema).chain(values).chain(aliases.iter().map(|(alias, _)| alias.as_str())).collect();
    let output = graph.names.of_column(&schema.inputs[input].name, what);
    let attributes =
        vec![tensor("keys_tensor", strings(keys.into_iter())), tensor("values_tensor", codes), tensor("default_tensor", unseen)];
    graph.ml_op("LabelEncoder", &[&schema.inputs[input].name], output, attributes)
}

/// Columns of shape [rows, 1] side by side.
pub fn side_by_side(graph: &mut Graph, columns: &[String], output: String) -> String {
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    graph.op_with("Concat", &columns, output, vec![int("axis", 1)])
}

/// A part of the timestamp `input` as 32-bit floats, NaN where it is missing.
fn time_part(graph: &mut Graph, schema: &Schema, input: &str, part: TimePart) -> String {
    let mut clock = Clock { graph, input };
    let (what, number) = match part {
        TimePart::Year => ("year", clock.year()),
        TimePart::Month => ("month", clock.month()),
        TimePart::Day => ("day", clock.day()),
        TimePart::Weekday => ("weekday", clock.weekday()),
        TimePart::Hour => ("hour", clock.hour()),
        TimePart::Minute => ("minute", clock.minute()),
    };
    let graph = clock.graph;
    let missing = is_missing_time(graph, schema, input);
    let nan = graph.nan();
    let float = graph.names.of_column(input, &format!("{what}/float"));
    let float = graph.cast(&number, element::FLOAT, float);
    let output = graph.names.of_column(input, &format!("{what}/feature"));
    graph.op("Where", &[&missing, &nan, &float], output)
}

/// Whether a timestamp is missing, or stands for a missing one.
fn is_missing_time(graph: &mut Graph, schema: &Schema, input: &str) -> String {
    let sentinel = graph.whole(i64::MIN);
    let missing = graph.names.of_column(input, "is_missing");
    let missing = graph.op("Equal", &[input, &sentinel], missing);
    schema.null_times.iter().fold(missing, |missing, &null| {
        let marker = graph.whole(null);
        let [is_null, either] = [format!("is {null}"), format!("is_missing or {null}")].map(|what| graph.names.of_column(input, &what));
        let is_null = graph.op("Equal", &[input, &marker], is_null);
        graph.op("Or", &[&missing, &is_null], either)
    })
}

/// `quelea_core::time` as nodes. `Div` truncates and `Mod` floors.
struct Clock<'a> {
    graph: &'a mut Graph,
    input: &'a str,
}

impl Clock<'_> {
    fn op(&mut self, op: &str, a: &str, b: &str, what: &str) -> String {
        let output = self.graph.names.of_column(self.input, what);
        self.graph.op(op, &[a, b], output)
    }

    /// The same with a constant on the right.
    fn with(&mut self, op: &str, a: &str, b: i64, what: &str) -> String {
        let b = self.graph.whole(b);
        self.op(op, a, &b, what)
    }

    /// Whether `a` is above (`Greater`) or below (`Less`) `b`, as 1 or 0.
    fn is(&mut self, op: &str, a: &str, b: &str, what: &str) -> String {
        let bool = self.op(op, a, b, &format!("{what}/bool"));
        let output = self.graph.names.of_column(self.input, what);
        self.graph.cast(&bool, element::INT64, output)
    }

    /// Days since 1970-01-01: the quotient, one less where truncation went up. Taking the rest away first could overflow.
    fn days(&mut self) -> String {
        let input = self.input;
        let quotient = self.with("Div", input, MICROS_PER_DAY, "day_quotient");
        let product = self.with("Mul", &quotient, MICROS_PER_DAY, "day_product");
        let over = self.is("Greater", &product, input, "day_over");
        self.op("Sub", &quotient, &over, "days")
    }

    fn seconds(&mut self) -> String {
        let input = self.input;
        let micros = self.with("Mod", input, MICROS_PER_DAY, "micros_of_day");
        self.with("Div", &micros, MICROS_PER_SECOND, "seconds_of_day")
    }

    fn weekday(&mut self) -> String {
        let days = self.days();
        let shifted = self.with("Add", &days, 3, "days_since_monday");
        self.with("Mod", &shifted, 7, "weekday")
    }

    fn hour(&mut self) -> String {
        let seconds = self.seconds();
        self.with("Div", &seconds, 3_600, "hour")
    }

    fn minute(&mut self) -> String {
        let seconds = self.seconds();
        let minutes = self.with("Div", &seconds, 60, "minutes_of_day");
        self.with("Mod", &minutes, 60, "minute")
    }

    fn shifted_days(&mut self) -> String {
        let days = self.days();
        self.with("Add", &days, 719_468, "days_since_year_0")
    }

    fn day_of_era(&mut self) -> String {
        let shifted = self.shifted_days();
        self.with("Mod", &shifted, 146_097, "day_of_era")
    }

    fn year_of_era(&mut self) -> String {
        let day = self.day_of_era();
        let leap = self.with("Div", &day, 1_460, "era_leap_days");
        let centuries = self.with("Div", &day, 36_524, "era_centuries");
        let last = self.with("Div", &day, 146_096, "era_last_day");
        let day = self.op("Sub", &day, &leap, "era_day_without_leap");
        let day = self.op("Add", &day, &centuries, "era_day_with_centuries");
        let day = self.op("Sub", &day, &last, "era_day_without_last");
        self.with("Div", &day, 365, "year_of_era")
    }

    /// Counted from the first of March.
    fn day_of_year(&mut self) -> String {
        let year = self.year_of_era();
        let whole = self.with("Mul", &year, 365, "year_days");
        let leap = self.with("Div", &year, 4, "year_leap_days");
        let centuries = self.with("Div", &year, 100, "year_centuries");
        let before = self.op("Add", &whole, &leap, "year_days_with_leap");
        let before = self.op("Sub", &before, &centuries, "days_before_year");
        let day = self.day_of_era();
        self.op("Sub", &day, &before, "day_of_year")
    }

    fn month_from_march(&mut self) -> String {
        let day = self.day_of_year();
        let fifth = self.with("Mul", &day, 5, "day_of_year_times_5");
        let shifted = self.with("Add", &fifth, 2, "day_of_year_shifted");
        self.with("Div", &shifted, 153, "month_from_march")
    }

    fn day(&mut self) -> String {
        let month = self.month_from_march();
        let times = self.with("Mul", &month, 153, "month_times_153");
        let shifted = self.with("Add", &times, 2, "month_shifted");
        let before = self.with("Div", &shifted, 5, "days_before_month");
        let day = self.day_of_year();
        let day = self.op("Sub", &day, &before, "day_from_0");
        self.with("Add", &day, 1, "day")
    }

    fn month(&mut self) -> String {
        let march = self.month_from_march();
        let shifted = self.with("Add", &march, 2, "month_from_january");
        let wrapped = self.with("Mod", &shifted, 12, "month_from_0");
        self.with("Add", &wrapped, 1, "month")
    }

    fn year(&mut self) -> String {
        let (shifted, day) = (self.shifted_days(), self.day_of_era());
        let start = self.op("Sub", &shifted, &day, "era_start");
        let era = self.with("Div", &start, 146_097, "era");
        let years = self.with("Mul", &era, 400, "era_years");
        let year = self.year_of_era();
        let year = self.op("Add", &years, &year, "year_from_march");
        let (month, march) = (self.month(), self.graph.whole(3));
        let early = self.is("Less", &month, &march, "before_march");
        self.op("Add", &year, &early, "year")
    }
}
