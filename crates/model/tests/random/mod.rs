//! Random models and rows under a seed: every kind of estimator, link, input and value.

use arrow::array::{StringArray, StringViewArray};
use quelea_core::counter::{Draws, Purpose};
use quelea_core::estimator::{Centroids, Child, Design, Encoding, Estimator, Factorization, Linear, Link, Node, Rule, Tree, Trees};
use quelea_core::schema::{Feature, FeatureKind, Hashed, Input, InputKind, Labels, Schema, Target, TimePart};
use quelea_model::{About, Column, Model, Value};

/// A column of rows.
pub enum Values {
    Number(Vec<f32>),
    Text(StringViewArray),
    Timestamp(Vec<i64>),
    Sparse { offsets: Vec<u32>, indices: Vec<u32>, values: Option<Vec<f32>> },
    Texts { offsets: Vec<u32>, codes: Vec<u32>, dictionary: StringArray },
}

impl Values {
    pub fn column(&self) -> Column<'_> {
        match self {
            Self::Number(v) => Column::Number(v),
            Self::Text(v) => Column::Text(v),
            Self::Timestamp(v) => Column::Timestamp(v),
            Self::Sparse { offsets, indices, values } => Column::Sparse { offsets, indices, values: values.as_deref() },
            Self::Texts { offsets, codes, dictionary } => Column::Texts { offsets, codes, texts: dictionary },
        }
    }

    /// What a row holds of a column of lists of texts.
    pub fn texts(&self, row: usize) -> Vec<&str> {
        let Self::Texts { offsets, codes, dictionary } = self else { return Vec::new() };
        codes[offsets[row] as usize..offsets[row + 1] as usize].iter().map(|&code| dictionary.value(code as usize)).collect()
    }

    /// The value of a row; `texts` are what [`Values::texts`] gave for it.
    pub fn value<'a>(&'a self, row: usize, texts: &'a [&'a str]) -> Value<'a> {
        match self {
            Self::Sparse { offsets, indices, values } => {
                let entries = offsets[row] as usize..offsets[row + 1] as usize;
                Value::Sparse { indices: &indices[entries.clone()], values: values.as_ref().map(|values| &values[entries]) }
            }
            Self::Texts { .. } => Value::Texts(texts),
            Self::Number(v) => Value::Number(v[row]),
            Self::Text(v) => Value::Text(if arrow::array::Array::is_null(v, row) { "" } else { v.value(row) }),
            Self::Timestamp(v) => Value::Timestamp(v[row]),
        }
    }
}

/// Draws one after the other.
pub struct Random {
    draws: Draws,
    next: u64,
}

const PARTS: [TimePart; 6] = [TimePart::Year, TimePart::Month, TimePart::Day, TimePart::Weekday, TimePart::Hour, TimePart::Minute];

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { draws: Draws::new(seed, Purpose::Sample, 0), next: 0 }
    }

    pub fn bits(&mut self) -> u64 {
        self.next += 1;
        self.draws.bits(self.next, 0)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Numbers of coarse steps, so that thresholds are met exactly.
    fn number(&mut self) -> f32 {
        (self.below(41) as f32 - 20.0) * 0.25
    }

    fn real(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    fn schema(&mut self, with_sparse: bool) -> Schema {
        let mut schema = Schema {
            inputs: Vec::new(),
            features: Vec::new(),
            target: Target::None,
            weight: None,
            largest_weight: 1.0,
            rows: 1_000,
            null_values: if self.chance(50) { vec!["?".into(), String::new(), "?".into()] } else { Vec::new() },
        };
        let odd_names = ["label", "distance", "/features", "cluster", "//x/code"];
        for index in 0..1 + self.below(8) {
            let name = if self.chance(15) && index < odd_names.len() { odd_names[index].into() } else { format!("column {index}") };
            self.push_input(&mut schema, name);
        }
        if with_sparse {
            (0..self.below(3)).for_each(|index| self.push_sparse(&mut schema, format!("sparse {index}")));
            self.push_hashed(&mut schema);
        }
        schema
    }

    fn push_sparse(&mut self, schema: &mut Schema, name: String) {
        let width = [0, 1, 5, 300, 4_000][self.below(5)];
        let kind = FeatureKind::Sparse { width, largest: 5.0, entries: 9, hashed: Vec::new() };
        schema.features.push(Feature { name: name.clone(), input: schema.inputs.len(), kind });
        schema.inputs.push(Input { name, kind: InputKind::Sparse });
    }

    /// Columns hashed into one feature; with few buckets, so that they meet.
    fn push_hashed(&mut self, schema: &mut Schema) {
        let mut hashed = Vec::new();
        for index in 0..self.below(4) {
            let values = (0..[0, 2, 40][self.below(3)]).map(|i| format!("värde {i}")).collect();
            hashed.push(Hashed { input: schema.inputs.len(), values });
            let kind = if self.chance(50) { InputKind::Text } else { InputKind::Texts };
            schema.inputs.push(Input { name: format!("hashed {index}"), kind });
        }
        if let Some(first) = hashed.first() {
            let (input, width) = (first.input, [1, 8, 1_000][self.below(3)]);
            let kind = FeatureKind::Sparse { width, largest: 1.0, entries: 9, hashed };
            schema.features.push(Feature { name: "hashed".into(), input, kind });
        }
    }

    fn push_input(&mut self, schema: &mut Schema, name: String) {
        let input = schema.inputs.len();
        let number = |part| FeatureKind::Number { part, min: -5.0, max: 5.0, missing: 3 };
        let kind = [InputKind::Number, InputKind::Text, InputKind::Timestamp][self.below(3)];
        match kind {
            InputKind::Number => schema.features.push(Feature { name: name.clone(), input, kind: number(None) }),
            InputKind::Timestamp => {
                for part in PARTS.into_iter().skip(self.below(6)) {
                    schema.features.push(Feature { name: format!("{name}.{part:?}"), input, kind: number(Some(part)) });
                }
            }
            InputKind::Sparse | InputKind::Texts => unreachable!("they are made elsewhere"),
            InputKind::Text => {
                let count = [1, 3, 20, 70, 3_000][self.below(5)];
                let values = (0..count).map(|i| format!("värde {i}")).collect();
                let kind = FeatureKind::Category { values, counts: vec![1; count], missing: 0 };
                schema.features.push(Feature { name: name.clone(), input, kind });
            }
        }
        schema.inputs.push(Input { name, kind });
    }

    fn classes(&mut self, count: usize) -> Target {
        let labels = if self.chance(50) {
            Labels::Integers((0..count as i64).map(|i| i * 7 - 5).collect())
        } else {
            Labels::Text((0..count).map(|i| format!("klass {i}")).collect())
        };
        Target::Classes { name: "target".into(), labels, weights: vec![0.1; count] }
    }

    /// A link with its target and number of outputs.
    fn link(&mut self) -> (Link, Target, usize) {
        match self.below(3) {
            0 => (Link::Identity, Target::Number { name: "target".into() }, 1),
            1 => (Link::Logistic, self.classes(2), 1),
            _ => {
                let count = 2 + self.below(5);
                (Link::Softmax, self.classes(count), count)
            }
        }
    }

    fn rule(&mut self, feature: &Feature) -> Rule {
        match &feature.kind {
            FeatureKind::Category { values, .. } => {
                let percent = [2, 30, 90][self.below(3)];
                let mut codes: Vec<u32> = (0..values.len() as u32).filter(|_| self.chance(percent)).collect();
                if codes.is_empty() {
                    codes.push(self.below(values.len()) as u32);
                }
                Rule::In(codes)
            }
            FeatureKind::Sparse { .. } => unreachable!("trees have no sparse features"),
            FeatureKind::Number { part: Some(TimePart::Year), .. } => Rule::AtMost(1_900.0 + self.below(200) as f32),
            FeatureKind::Number { part: Some(_), .. } => Rule::AtMost(self.below(40) as f32),
            FeatureKind::Number { .. } => Rule::AtMost(self.number()),
        }
    }

    /// A tree that grows at a random leaf each time.
    fn tree(&mut self, schema: &Schema, leaves: usize) -> Tree {
        let mut tree = Tree { nodes: Vec::new(), leaves: vec![0.0] };
        let mut open: Vec<Option<(usize, bool)>> = vec![None];
        for _ in 1..leaves {
            let leaf = self.below(open.len());
            let node = tree.nodes.len() as u32;
            if let Some((parent, is_left)) = open[leaf] {
                let child = if is_left { &mut tree.nodes[parent].left } else { &mut tree.nodes[parent].right };
                *child = Child::Node(node);
            }
            let feature = self.below(schema.features.len());
            tree.nodes.push(Node {
                feature: feature as u32,
                rule: self.rule(&schema.features[feature]),
                missing_left: self.chance(50),
                left: Child::Leaf(leaf as u32),
                right: Child::Leaf(open.len() as u32),
                gain: 0.0,
                rows: 0,
            });
            open[leaf] = Some((node as usize, true));
            open.push(Some((node as usize, false)));
        }
        tree.leaves = open.iter().map(|_| (self.real() * 0.5) as f32).collect();
        tree
    }

    fn trees(&mut self, schema: &mut Schema) -> Estimator {
        let (link, target, outputs) = self.link();
        schema.target = target;
        let rounds = 1 + self.below(12);
        let trees = (0..rounds * outputs).map(|_| {
            let leaves = [1, 2, 7, 31, 64, 255][self.below(6)];
            self.tree(schema, leaves)
        });
        let trees = trees.collect();
        Estimator::Trees(Trees { trees, base: (0..outputs).map(|_| self.number()).collect(), link })
    }

    fn design(&mut self, schema: &Schema) -> Design {
        let encodings = schema.features.iter().map(|feature| match &feature.kind {
            FeatureKind::Number { .. } => Encoding::Number {
                fill: self.number(),
                center: self.number(),
                scale: 0.3 + self.below(9) as f32 * 0.1,
                indicator: self.chance(50),
            },
            FeatureKind::Category { values, .. } => Encoding::Category { values: values.len() as u32, indicator: self.chance(50) },
            FeatureKind::Sparse { width, .. } => Encoding::Sparse { width: *width },
        });
        Design { encodings: encodings.collect() }
    }

    fn linear(&mut self, schema: &mut Schema) -> Estimator {
        let design = self.design(schema);
        let (link, target, outputs) = self.link();
        schema.target = target;
        let weights = (0..outputs).map(|_| (0..design.width()).map(|_| f64::from((self.real() * 0.01) as f32)).collect()).collect();
        Estimator::Linear(Linear { design, intercepts: (0..outputs).map(|_| self.real()).collect(), weights, link })
    }

    fn factorization(&mut self, schema: &mut Schema) -> Estimator {
        let design = self.design(schema);
        let (link, target) = match self.below(2) {
            0 => (Link::Identity, Target::Number { name: "target".into() }),
            _ => (Link::Logistic, self.classes(2)),
        };
        schema.target = target;
        let (width, rank) = (design.width(), [1, 3, 16][self.below(3)]);
        let mut numbers = |count: usize, size: f64| (0..count).map(|_| (self.real() * size) as f32).collect::<Vec<f32>>();
        let (weights, factors) = (numbers(width, 0.01), numbers(width * rank, 0.05));
        Estimator::Factorization(Factorization { design, intercept: self.real(), weights, factors, rank, link })
    }

    fn centroids(&mut self, schema: &Schema) -> Estimator {
        let design = self.design(schema);
        let centers = (0..1 + self.below(20)).map(|_| (0..design.width()).map(|_| (self.real() * 3.0) as f32).collect()).collect();
        Estimator::Centroids(Centroids { design, centers })
    }

    pub fn model(&mut self) -> Model {
        let which = self.below(6);
        let mut schema = self.schema(which < 2);
        let estimator = match which {
            0 => self.linear(&mut schema),
            1 => self.factorization(&mut schema),
            2 => self.centroids(&schema),
            _ => self.trees(&mut schema),
        };
        let about = About { learner: "random".into(), fingerprint: self.bits().to_string(), ..About::default() };
        Model { schema, estimator, about }
    }

    fn text(&mut self, categories: usize) -> Option<String> {
        match self.below(20) {
            0 => None,
            1 => Some(String::new()),
            2 => Some("?".into()),
            3 => Some("never seen".into()),
            _ => Some(format!("värde {}", self.below(categories))),
        }
    }

    fn moment(&mut self) -> i64 {
        match self.below(20) {
            0 => i64::MIN,
            1 => i64::MIN + 1 + self.below(1_000) as i64,
            2 => i64::MAX - self.below(1_000) as i64,
            3 => -(self.below(1_000_000) as i64),
            _ => (self.bits() as i64) / 3_000,
        }
    }

    pub fn rows(&mut self, schema: &Schema, count: usize) -> Vec<Values> {
        let categories = |input: usize| {
            schema.features.iter().find_map(|f| match &f.kind {
                FeatureKind::Category { values, .. } if f.input == input => Some(values.len()),
                _ => None,
            })
        };
        let columns = schema.inputs.iter().enumerate().map(|(index, input)| match input.kind {
            InputKind::Number => Values::Number((0..count).map(|_| if self.chance(15) { f32::NAN } else { self.number() }).collect()),
            InputKind::Text => Values::Text((0..count).map(|_| self.text(categories(index).unwrap_or(1))).collect()),
            InputKind::Timestamp => Values::Timestamp((0..count).map(|_| self.moment()).collect()),
            InputKind::Sparse => {
                let widths = schema.features.iter().filter(|feature| feature.input == index).map(|feature| match feature.kind {
                    FeatureKind::Sparse { width, .. } => width,
                    _ => 0,
                });
                self.entries(count, widths.max().unwrap_or(0))
            }
            InputKind::Texts => {
                let offsets = self.offsets(count);
                let texts = (0..44).map(|i| if i < 40 { format!("värde {i}") } else { ["", "?", "never seen", "x"][i - 40].to_string() });
                let codes = (0..offsets[count]).map(|_| self.below(44) as u32).collect();
                Values::Texts { offsets, codes, dictionary: StringArray::from_iter_values(texts) }
            }
        });
        columns.collect()
    }

    fn offsets(&mut self, rows: usize) -> Vec<u32> {
        let most = [0, 1, 5, 40][self.below(4)];
        let mut end = 0;
        let ends = (0..rows).map(|_| {
            end += self.below(most + 1) as u32;
            end
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// Entries of a sparse column: now and then one beyond its width, and one that is NaN.
    fn entries(&mut self, rows: usize, width: u32) -> Values {
        let offsets = self.offsets(rows);
        let count = offsets[rows];
        let indices =
            (0..count).map(|_| if self.chance(5) { width + self.below(3) as u32 } else { self.below(width.max(1) as usize) as u32 });
        let indices = indices.collect();
        let values = self.chance(70).then(|| (0..count).map(|_| if self.chance(3) { f32::NAN } else { self.number() }).collect());
        Values::Sparse { offsets, indices, values }
    }
}
