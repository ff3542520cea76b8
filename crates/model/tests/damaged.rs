//! Model files as an attacker would have them: an error or a whole model, and never more memory than the file justifies.

#![allow(missing_docs)]

use quelea_core::counter::{Draws, Purpose};
use quelea_model::{Column, Error, Model, Scorer, estimator_names};
use random::{Random, Values};

mod counted;
mod random;

/// The most bytes that reading a file and scoring a few rows may hold at once, for each byte of the file and beside them.
const PER_BYTE: usize = 64;
const BESIDE: usize = 1 << 18;

/// What reading the file gives, once its rows were scored.
fn read(bytes: &[u8], random: &mut Random) -> Result<Model, Error> {
    let (read, most) = counted::most_held(|| {
        let model = Model::from_bytes(bytes)?;
        let values = random.rows(&model.schema, 3);
        let columns: Vec<Column> = values.iter().map(Values::column).collect();
        let scorer = Scorer::new(&model).unwrap();
        assert_eq!(scorer.score(&columns).unwrap().rows(), 3);
        let texts: Vec<Vec<&str>> = values.iter().map(|values| values.texts(0)).collect();
        let row: Vec<_> = values.iter().zip(&texts).map(|(values, texts)| values.value(0, texts)).collect();
        scorer.score_row(&row, &mut scorer.scratch()).unwrap();
        Ok(model)
    });
    assert!(most <= PER_BYTE * bytes.len() + BESIDE, "{} bytes took {most} of memory", bytes.len());
    read
}

/// Bytes of a valid file, damaged under a seed.
fn damaged(bytes: &[u8], other: &[u8], draws: &Draws, number: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let draw = |what: u64, below: usize| (draws.bits(number, what) % below.max(1) as u64) as usize;
    for change in 0..1 + draw(0, 3) as u64 {
        let at = draw(change * 8 + 1, bytes.len());
        let length = draw(change * 8 + 2, bytes.len() - at).min(1 << draw(change * 8 + 3, 10));
        match draw(change * 8 + 4, 6) {
            0 => bytes[at] ^= 1 << draw(change * 8 + 5, 8),
            1 => bytes[at] = draw(change * 8 + 5, 256) as u8,
            2 => bytes.truncate(at.max(1)),
            3 => drop(bytes.drain(at..at + length.min(bytes.len() - 1))),
            4 => {
                let copy = bytes[at..at + length].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let from = draw(change * 8 + 5, other.len());
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at + length, piece);
            }
        }
    }
    bytes
}

/// `QUELEA_FUZZ_MODELS` sets the number of models that are damaged, for longer runs.
#[test]
fn a_damaged_file_is_an_error_or_a_whole_model() {
    let models: u64 = std::env::var("QUELEA_FUZZ_MODELS").ok().and_then(|n| n.parse().ok()).unwrap_or(80);
    let names: Vec<&str> = estimator_names().collect();
    for (seed, name) in (0..models).zip(names.into_iter().cycle()) {
        let mut random = Random::new(seed);
        let bytes = random.model_of(name).to_bytes().unwrap();
        read(&bytes, &mut random).unwrap();
        if bytes.len() > 30_000 {
            continue;
        }
        let other = Random::new(seed + 1).model().to_bytes().unwrap();
        let draws = Draws::new(seed, Purpose::Split, 0);
        for number in 0..100 {
            // Either is right; `read` looks at the rest.
            drop(read(&damaged(&bytes, &other, &draws, number), &mut random));
        }
    }
}

#[test]
fn a_file_of_empty_messages_is_refused_before_it_is_unfolded() {
    // A graph of a million nodes of two bytes each.
    let mut bytes = vec![0x3a, 0x80, 0x89, 0x7a];
    bytes.extend([0x0a, 0x00].repeat(1_000_000));
    let (read, most) = counted::most_held(|| Model::from_bytes(&bytes));
    assert!(matches!(read, Err(Error::Bloated { messages: 1_000_001, .. })));
    assert!(most < BESIDE, "{most}");
}

#[test]
fn a_file_of_the_smallest_messages_that_are_unfolded_stays_within_the_bound() {
    // Nodes of a name of four letters, and nothing else: eight bytes each.
    let nodes = [0x0a, 0x06, 0x0a, 0x04, b'n', b'a', b'm', b'e'].repeat(1 << 16);
    let mut bytes = vec![0x3a, 0x80, 0x80, 0x20];
    bytes.extend(nodes);
    let (read, most) = counted::most_held(|| Model::from_bytes(&bytes));
    assert!(!matches!(read, Err(Error::Bloated { .. }) | Ok(_)));
    assert!(most <= PER_BYTE * bytes.len(), "{} bytes took {most} of memory", bytes.len());
}
