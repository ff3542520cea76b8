//! From scores to the outputs of a graph, in 64-bit floats until the end.

use quelea_core::estimator::Link;
use quelea_core::schema::{Labels, Target};

use crate::graph::{Graph, doubles, int, int64s, strings};
use crate::proto::element;

/// The name of the constant that holds the labels.
pub const LABELS: &str = "labels";

/// Adds the outputs made of `scores`, of shape [rows, outputs].
pub fn write(graph: &mut Graph, target: &Target, link: Link, scores: &str) {
    match (link, target) {
        (Link::Logistic, Target::Classes { labels, .. }) => {
            let probabilities = logistic(graph, scores);
            classes(graph, labels, &probabilities.0, &probabilities.1);
        }
        (Link::Softmax, Target::Classes { labels, .. }) => {
            let name = graph.names.of("probabilities/double");
            let probabilities = graph.op_with("Softmax", &[scores], name, vec![int("axis", 1)]);
            classes(graph, labels, scores, &probabilities);
        }
        _ => {
            let output = graph.names.output("prediction");
            let output = graph.cast(scores, element::FLOAT, output);
            graph.output(&output, element::FLOAT, Some(1));
        }
    }
}

/// The scores and the probabilities of both classes. `1 / (1 + exp(-z))` for the score and its opposite: neither cancels.
fn logistic(graph: &mut Graph, scores: &str) -> (String, String) {
    let name = |graph: &Graph, what: &str| graph.names.of(what);
    let signs = name(graph, "signs");
    let signs = graph.constant(signs, doubles(&[1, 2], &[1.0, -1.0]));
    let negated = name(graph, "scores/negated");
    let negated = graph.op("Mul", &[scores, &signs], negated);
    let both = name(graph, "scores/both");
    let both = graph.op("Neg", &[&negated], both);
    let odds = name(graph, "odds_against");
    let odds = graph.op("Exp", &[&negated], odds);
    let one = name(graph, "one");
    let one = graph.constant(one, doubles(&[], &[1.0]));
    let total = name(graph, "odds_total");
    let total = graph.op("Add", &[&odds, &one], total);
    let probabilities = name(graph, "probabilities/double");
    let probabilities = graph.op("Div", &[&one, &total], probabilities);
    (both, probabilities)
}

/// The label of the best of `scores`, the first of equals, and the probabilities.
fn classes(graph: &mut Graph, labels: &Labels, scores: &str, probabilities: &str) {
    let best = graph.names.of("best");
    let best = graph.op_with("ArgMax", &[scores], best, vec![int("axis", 1), int("keepdims", 0), int("select_last_index", 0)]);
    let (constant, element) = match labels {
        Labels::Integers(values) => (int64s(&[values.len()], values), element::INT64),
        Labels::Text(values) => (strings(values.iter().map(String::as_str)), element::STRING),
    };
    let name = graph.names.of(LABELS);
    let name = graph.constant(name, constant);
    let label = graph.names.output("label");
    let label = graph.op_with("Gather", &[&name, &best], label, vec![int("axis", 0)]);
    graph.output(&label, element, None);
    let output = graph.names.output("probabilities");
    let output = graph.cast(probabilities, element::FLOAT, output);
    graph.output(&output, element::FLOAT, Some(labels.len()));
}
