//! How fast tables are on one core: updates and reads of random keys, in rows of 16 numbers, in tables of about 1 and 8 GB.
//!
//!     cargo run --release -p quelea-params --example tables [GB…]

use std::error::Error;
use std::time::Instant;

use quelea_core::counter::mix;
use quelea_core::steps::{Parameters, Rule, Start};
use quelea_params::tables::{Addition, Keeps, Tables, together};

const WIDTH: usize = 16;
/// Keys of one call.
const KEYS: usize = 1_000;
const CALLS: u64 = 5_000;

fn main() -> Result<(), Box<dyn Error>> {
    let sizes: Vec<f64> = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    for gigabytes in if sizes.is_empty() { vec![1.0, 8.0] } else { sizes } {
        for (name, rule) in [
            ("sgd", Rule::Sgd { rate: 0.1, decay: 0.0, momentum: 0.0, l2: 0.0 }),
            ("adagrad", Rule::Adagrad { rate: 0.1, l2: 0.0 }),
            ("adam", Rule::Adam { rate: 0.1, beta1: 0.9, beta2: 0.999, l2: 0.0 }),
            ("ftrl", Rule::Ftrl { alpha: 0.1, beta: 1.0, l1: 1.0, l2: 0.0 }),
        ] {
            measure(gigabytes, name, rule)?;
        }
    }
    merging()
}

/// Numbers that a rule keeps for a row.
fn length(rule: Rule) -> usize {
    match rule {
        Rule::Sgd { .. } => WIDTH,
        Rule::Adagrad { .. } => 2 * WIDTH,
        _ => 3 * WIDTH,
    }
}

fn measure(gigabytes: f64, name: &str, rule: Rule) -> Result<(), Box<dyn Error>> {
    let table = Parameters { name: "weights", width: WIDTH, start: Start::Zero, rule, unit: 1e-6 };
    let mut tables = Tables::new(&[table], Keeps::ALL)?;
    let rows = (gigabytes * 1e9) as u64 / (length(rule) * size_of::<f32>()) as u64;
    let sums: Vec<i64> = (0..KEYS * WIDTH).map(|at| at as i64 % 1_001 - 500).collect();

    let mut fills = Vec::new();
    for first in (0..rows).step_by(KEYS) {
        let keys = sorted((first..first + KEYS as u64).map(mix).collect());
        let start = Instant::now();
        tables.apply(0, &keys, &sums, 1_000, first)?;
        fills.push(start.elapsed().as_secs_f64());
    }
    let random = |call: u64, of: u64| sorted((0..KEYS as u64).map(|at| mix(mix(call * 1_000_003 + at + of) % rows)).collect());
    let mut updates = Vec::new();
    let mut reads = Vec::new();
    let mut into = Vec::new();
    for call in 0..CALLS {
        let keys = random(call, 0);
        let start = Instant::now();
        tables.apply(0, &keys, &sums[..keys.len() * WIDTH], 1_000, call)?;
        updates.push(start.elapsed().as_secs_f64());
        let keys = random(call, 1 << 60);
        into.clear();
        let start = Instant::now();
        tables.read(0, &keys, &mut into)?;
        reads.push(start.elapsed().as_secs_f64());
    }
    for (what, times) in [("new rows", fills), ("updates", updates), ("reads", reads)] {
        show(&format!("{gigabytes} GB {name} {what}"), times);
    }
    Ok(())
}

fn merging() -> Result<(), Box<dyn Error>> {
    let lists: Vec<(Vec<u64>, Vec<i64>)> = (0..8u64)
        .map(|list| {
            let keys = sorted((0..KEYS as u64).map(|at| mix(list * 7_919 + at) % 4_000).collect());
            let sums = vec![1; keys.len() * WIDTH];
            (keys, sums)
        })
        .collect();
    for count in [2, 8] {
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let additions = lists[..count].iter().map(|(keys, sums)| Addition::new(keys, sums)).collect();
            let start = Instant::now();
            std::hint::black_box(together(additions, WIDTH)?);
            times.push(start.elapsed().as_secs_f64() / count as f64);
        }
        show(&format!("merging {count} lists"), times);
    }
    Ok(())
}

fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn show(what: &str, mut times: Vec<f64>) {
    let rate = (times.len() * KEYS) as f64 / times.iter().sum::<f64>() / 1e6;
    times.sort_by(f64::total_cmp);
    let [middle, most] = [0.5, 0.999].map(|part| times[(times.len() as f64 * part) as usize] * 1e6);
    println!("{what:<24} {rate:>8.1} million keys/s, {KEYS} keys in {middle:>7.1} µs, 999 of 1000 times within {most:>8.1} µs");
}
