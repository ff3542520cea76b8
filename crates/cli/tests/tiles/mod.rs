//! A table of several tiles, and choices that seeds decide.

use crate::program::Folder;

/// A small generator of test choices.
pub struct Choices(pub u64);

impl Choices {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// A folder with `t.csv` of so many rows: numbers with gaps, categories, and a target `y` of two classes.
pub fn several_tiles(rows: usize) -> Folder {
    let folder = Folder::new();
    let mut choices = Choices(1);
    let mut next = move || choices.below(10_000) as f64 / 10_000.0;
    let mut lines = String::from("x0,x1,x2,color,y\n");
    for row in 0..rows {
        let [x0, x1, x2, noise] = [next(), next(), next(), next()];
        let color = ["red", "green", "blue"][(next() * 3.0) as usize];
        let class = (x0 * 2.0 + x1 * x2 - f64::from(u8::from(color == "red")) + noise) > 1.2;
        let x1 = if row % 17 == 0 { String::new() } else { format!("{x1:.4}") };
        lines += &format!("{x0:.4},{x1},{x2:.4},{color},{}\n", if class { "yes" } else { "no" });
    }
    folder.write("t.csv", lines);
    folder
}
