//! Bad input gets a message that names the file, row, column or key and says what to do; exit code 2; nothing half-written.

mod parquet;
mod program;

use parquet::parquet;
use program::{Ended, Folder, table};

const TRAIN: &str = "train --target sold --model gradient-boosting --output model.onnx --data";

fn with(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    files.iter().for_each(|(name, content)| {
        folder.write(name, content);
    });
    folder
}

#[test]
fn tables_that_are_not_there() {
    let folder = with(&[("sales.csv", &table()), ("empty/readme.txt", "")]);
    folder.refuse(&format!("{TRAIN} sale.csv"), &["sale.csv: no such file", "did you mean ./sales.csv?"]);
    // Files of other formats are not suggested, folders are.
    let folder = with(&[("types.py", ""), ("typed/t.csv", &table())]);
    let Ended { err, .. } = folder.run("inspect types.csv");
    assert!(err.contains("types.csv: no such file") && !err.contains("types.py"), "{err}");
    folder.refuse("inspect type", &["did you mean ./typed?"]);
    let folder = with(&[("sales.csv", &table()), ("empty/readme.txt", "")]);
    folder.refuse(&format!("{TRAIN} empty"), &["empty", "holds no"]);
    folder.refuse(&format!("{TRAIN} *.parquet"), &["*.parquet", "matches no file"]);
    folder.refuse(&format!("{TRAIN} empty/readme.txt"), &["readme.txt", "must end in"]);
    folder.refuse("train", &["quelea init"]);
    folder.refuse("train nothing.toml", &["cannot read nothing.toml"]);
    folder.refuse("predict model.onnx sales.csv --output -", &["cannot read model.onnx"]);
}

#[test]
fn tables_without_rows_or_columns() {
    let folder =
        with(&[("none.csv", ""), ("header.csv", "size,color,sold\n"), ("twice.csv", "size,size,sold\n1,2,yes\n"), ("zero.parquet", "")]);
    folder.refuse(&format!("{TRAIN} none.csv"), &["none.csv", "empty"]);
    folder.refuse(&format!("{TRAIN} header.csv"), &["header.csv", "no rows"]);
    folder.refuse(&format!("{TRAIN} twice.csv"), &["twice.csv", "\"size\"", "twice"]);
    folder.refuse(&format!("{TRAIN} zero.parquet"), &["zero.parquet", "empty"]);
}

#[test]
fn targets_that_cannot_be_learned() {
    let folder = with(&[("t.csv", &table()), ("one.csv", "a,sold\n1,yes\n2,yes\n"), ("none.csv", "a,sold\n1,\n2,\n")]);
    folder.refuse("train --data t.csv --model gradient-boosting", &["data.target", "missing"]);
    folder.refuse("train --data t.csv --model gradient-boosting --target solt", &["\"solt\"", "did you mean \"sold\"?"]);
    folder.refuse(&format!("{TRAIN} one.csv"), &["one.csv", "\"sold\"", "one class"]);
    folder.refuse(&format!("{TRAIN} none.csv"), &["none.csv", "\"sold\"", "none of the 2 rows"]);
    folder.refuse("train --data t.csv --model k-means --target sold", &["data.target", "k-means"]);
    folder.refuse("train --data t.csv --model logistic-regression --target size --set data.task=regression", &["data.task", "classes"]);
    folder.refuse(&format!("{TRAIN} t.csv --set data.task=regression"), &["t.csv", "row 1", "\"sold\"", "is not a number"]);
    folder.write("text.parquet", parquet(&table()));
    let text = "train --data text.parquet --target sold --model gradient-boosting --set data.task=regression";
    folder.refuse(text, &["text.parquet", "\"sold\"", "data.task = \"classification\""]);
}

#[test]
fn whole_numbers_that_are_too_large_or_too_many_to_be_classes() {
    let huge: String = (0..300).map(|i| format!("{i},{}\n", 9_007_199_254_740_992_i64 + i % 2)).collect();
    let many: String = (0..300).map(|i| format!("{i},{}\n", i % 50)).collect();
    let folder = with(&[("huge.csv", &format!("x,y\n{huge}")), ("many.csv", &format!("x,y\n{many}"))]);
    folder.write("huge.parquet", parquet(&format!("x,y\n{huge}")));
    for name in ["huge.csv", "huge.parquet"] {
        let line = format!("train --data {name} --target y --model gradient-boosting --output model.onnx");
        folder.refuse(&line, &[name, "\"y\"", "2^53", "cast the column to text"]);
        folder.refuse(&format!("{line} --set data.task=classification"), &["2^53"]);
        folder.succeed(&format!("{line} --set data.task=regression"));
    }
    let many = "train --data many.csv --target y --model gradient-boosting --output model.onnx";
    let ended = folder.succeed(many);
    assert!(ended.err.contains("50 different whole numbers are taken for a number"), "{}", ended.err);
    assert!(!folder.succeed(&format!("{many} --set data.task=regression")).err.contains("warning"));
}

#[test]
fn texts_among_the_numbers_of_a_csv_file() {
    let rows = |odd: &str| -> String {
        (0..300).map(|i| format!("{},{},{}\n", if i == 7 { odd.into() } else { i.to_string() }, i % 9, ["yes", "no"][i % 2])).collect()
    };
    let folder = Folder::new();
    for (odd, advice) in
        [("NA", "data.null_values = [\"NA\"]"), ("\"12,000\"", "separators of thousands"), (" 12", "blanks"), ("oops", "mend it")]
    {
        folder.write("t.csv", format!("size,n,sold\n{}", rows(odd)));
        let err = folder.succeed(&format!("{TRAIN} t.csv")).err;
        for part in ["warning: t.csv: column \"size\"", "99.7 % of the first 300", "row 8 holds", advice, "data.categories"] {
            assert!(err.contains(part), "{odd}: must say {part:?}, says {err}");
        }
        assert!(folder.run("inspect t.csv").err.contains(advice));
        assert!(!folder.succeed(&format!("{TRAIN} t.csv --set data.categories=[\"size\"]")).err.contains("row 8"));
        assert!(!folder.succeed(&format!("{TRAIN} t.csv --set data.ignore=[\"size\"]")).err.contains("row 8"));
    }
    folder.write("t.csv", format!("size,n,sold\n{}", rows("NA")));
    assert!(!folder.succeed(&format!("{TRAIN} t.csv --set data.null_values=[\"NA\"]")).err.contains("warning"));
    let of_target = folder.succeed("train --data t.csv --target size --model gradient-boosting --output model.onnx").err;
    assert!(of_target.contains("its values are taken for classes") && of_target.contains("[\"NA\"]"), "{of_target}");
}

#[test]
fn a_text_with_another_value_in_every_row() {
    let rows: String = (0..300).map(|i| format!("id {i},{},{}\n", i % 9, ["yes", "no"][i % 2])).collect();
    let folder = with(&[("t.csv", &format!("id,n,sold\n{rows}"))]);
    let err = folder.succeed(&format!("{TRAIN} t.csv")).err;
    assert!(err.contains("\"id\"") && err.contains("300 different texts") && err.contains("data.ignore"), "{err}");
}

#[test]
fn values_that_cannot_be_used() {
    let numbers: String = (0..11_000).map(|i| format!("{i},red,{}\n", ["yes", "no"][i % 2])).collect();
    let folder = with(&[
        ("infinite.csv", "size,sold\n1,yes\n2,no\ninf,yes\n"),
        ("huge.csv", "size,sold\n1,yes\n2,no\n1e200,yes\n"),
        ("text.csv", &format!("size,color,sold\n{numbers}oops,red,yes\n")),
        ("weight.csv", "size,w,sold\n1,1,yes\n2,-3,no\n"),
    ]);
    folder.refuse(&format!("{TRAIN} infinite.csv"), &["infinite.csv: row 3", "\"size\"", "infinite"]);
    folder.refuse(&format!("{TRAIN} huge.csv"), &["huge.csv: row 3", "\"size\"", "32-bit float"]);
    folder.refuse(&format!("{TRAIN} text.csv"), &["text.csv: row 11001", "\"size\"", "\"oops\" is not a number", "null_values"]);
    folder.refuse(&format!("{TRAIN} weight.csv --set data.weight=w"), &["weight.csv: row 2", "\"w\"", "a weight is"]);
}

#[test]
fn files_that_are_damaged() {
    let folder = with(&[("ragged.csv", "size,sold\n1,yes\n2,no,3\n"), ("whole.csv", &table())]);
    folder.write("utf8.csv", b"size,sold\n1,yes\n2,\xff\xfe\n");
    folder.succeed(&format!("{TRAIN} whole.csv"));
    folder.succeed("predict model.onnx whole.csv --output whole.parquet");
    let whole = std::fs::read(folder.path("whole.parquet")).unwrap();
    folder.write("cut.parquet", &whole[..whole.len() / 2]);
    let model = std::fs::read(folder.path("model.onnx")).unwrap();
    folder.write("cut.onnx", &model[..model.len() / 2]).write("text.onnx", "no model");
    folder.refuse(&format!("{TRAIN} ragged.csv"), &["ragged.csv: line 3: it has 3 values", "names 2 columns", "quote values"]);
    folder.refuse(&format!("{TRAIN} utf8.csv"), &["utf8.csv: line 3, column \"sold\"", "UTF-8", "iconv"]);
    let late = "1,yes\n2,no\n".repeat(6_000);
    folder.write("ragged.csv", format!("size,sold\n{late}3\n")).write("utf8.csv", [b"size,sold\n", late.as_bytes(), b"3,\xff\n"].concat());
    folder.refuse(&format!("{TRAIN} ragged.csv"), &["ragged.csv: line 12002: it has 1 value", "fill in"]);
    folder.refuse(&format!("{TRAIN} utf8.csv"), &["utf8.csv: line 12002, column \"sold\"", "iconv"]);
    folder.write("semicolons.csv", table().replace(',', ";")).write("empty.onnx", "");
    folder.write("utf16.csv", "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    folder.refuse(&format!("{TRAIN} semicolons.csv"), &["semicolons.csv: line 1", "semicolons", "commas"]);
    folder.refuse(&format!("{TRAIN} utf16.csv"), &["utf16.csv", "UTF-16", "iconv"]);
    folder.refuse("predict empty.onnx whole.csv --output -", &["empty.onnx", "empty", "train the model again"]);
    folder.refuse(&format!("{TRAIN} cut.parquet"), &["cut.parquet", "not a whole Parquet file"]);
    folder.refuse("predict cut.onnx whole.csv --output -", &["cut.onnx", "damaged"]);
    folder.refuse("predict text.onnx whole.csv --output -", &["text.onnx", "not an ONNX model"]);
}

#[test]
fn files_of_one_table_that_differ() {
    let folder = with(&[
        ("missing/a.csv", "size,sold\n1,yes\n2,no\n"),
        ("missing/b.csv", "size\n1\n"),
        ("extra/a.csv", "size,sold\n1,yes\n2,no\n"),
        ("extra/b.csv", "size,sold,more\n1,yes,1\n"),
        ("retyped/a.csv", "size,sold\n1,yes\n2,no\n"),
        ("retyped/b.csv", "size,sold\nbig,yes\n"),
        ("marked/a.csv", "size,sold\n1,yes\n2,no\n"),
        ("marked/b.csv", "size,sold\n1,yes\nNA,no\n"),
        ("truths/a.csv", "size,sold\n1,yes\n2,no\n"),
        ("truths/b.csv", "size,sold\ntrue,yes\nfalse,no\n"),
    ]);
    folder.refuse(&format!("{TRAIN} marked"), &["b.csv", "\"size\"", "row 2 holds \"NA\"", "data.null_values = [\"NA\"]"]);
    folder.refuse(&format!("{TRAIN} truths"), &["b.csv", "\"size\"", "Boolean here", "convert"]);
    folder.refuse(&format!("{TRAIN} missing"), &["b.csv", "\"sold\"", "missing here"]);
    folder.refuse(&format!("{TRAIN} extra"), &["b.csv", "\"more\"", "does not have this column"]);
    folder.refuse(&format!("{TRAIN} retyped"), &["b.csv", "\"size\"", "convert"]);
}

#[test]
fn parquet_files_of_one_table_that_differ() {
    let folder = Folder::new();
    let whole = parquet("size,sold\n1.5,yes\n2.5,no\n");
    for (name, other) in [
        ("missing", parquet("sold\nyes\nno\n")),
        ("extra", parquet("size,sold,more\n1.5,yes,1\n")),
        ("retyped", parquet("size,sold\nbig,yes\n")),
        ("cut", whole[..whole.len() - 9].to_vec()),
    ] {
        folder.write(&format!("{name}/a.parquet"), &whole).write(&format!("{name}/b.parquet"), other);
    }
    folder.refuse(&format!("{TRAIN} missing"), &["b.parquet", "\"size\"", "missing here"]);
    folder.refuse(&format!("{TRAIN} extra"), &["b.parquet", "\"more\"", "does not have this column"]);
    folder.refuse(&format!("{TRAIN} retyped"), &["b.parquet", "\"size\"", "convert"]);
    folder.refuse(&format!("{TRAIN} cut"), &["cut/b.parquet", "not a whole Parquet file"]);
}

#[test]
fn tables_that_do_not_fit_the_model() {
    let folder = with(&[
        ("t.csv", &table()),
        ("missing.csv", "color,sold\nred,yes\n"),
        ("extra.csv", "more,size,color\n1,1,red\n"),
        ("retyped.csv", "size,color\nbig,red\n"),
    ]);
    folder.succeed(&format!("{TRAIN} t.csv"));
    folder.refuse("predict model.onnx missing.csv --output p.csv", &["missing.csv", "\"size\""]);
    folder.refuse("predict model.onnx retyped.csv --output p.csv", &["retyped.csv: row 1", "\"size\"", "\"big\" is not a number"]);
    assert!(!folder.path("p.csv").exists());
    let ended = folder.succeed("predict model.onnx extra.csv --output -");
    assert!(ended.err.contains("more") && ended.out.lines().count() == 2, "{}{}", ended.out, ended.err);
    folder.refuse("evaluate model.onnx extra.csv", &["extra.csv", "\"sold\""]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = with(&[("t.csv", &table()), ("there/x", "")]);
    folder
        .refuse("train --data t.csv --target sold --model gradient-boosting --output nowhere/m.onnx", &["nowhere/m.onnx", "make it first"]);
    std::fs::create_dir(folder.path("folder.onnx")).unwrap();
    folder.refuse("train --data t.csv --target sold --model gradient-boosting --output folder.onnx", &["folder.onnx", "folder"]);
    folder.refuse("train --data t.csv --target sold --model gradient-boosting --output t.csv", &["output.model", "ends in .onnx"]);
    folder.refuse("predict m.onnx t.csv --output t.csv", &["cannot read m.onnx"]);
    folder.succeed(&format!("{TRAIN} t.csv"));
    folder.refuse("predict model.onnx t.csv --output p.txt", &[".parquet or .csv"]);
    folder.refuse("predict model.onnx t.csv --output nowhere/p.csv", &["nowhere/p.csv", "make it first"]);
    for (output, part) in [("m.onnx/", "output.model"), ("/dev/null", "output.model"), ("t.csv/m.onnx", "t.csv"), (LONG, "cannot write")] {
        folder.refuse(&format!("train --data t.csv --target sold --model gradient-boosting --output {output}"), &[part]);
    }
    for (output, part) in
        [("there", "it is a folder"), ("nowhere/", "it names a folder"), ("/dev/null", "a device"), (LONG, "cannot write")]
    {
        folder.refuse(&format!("init t.csv --target sold --force --output {output}"), &[output, part]);
    }
    folder.refuse("init t.csv --target sold --force --output t.csv", &["t.csv", "would replace it"]);
    folder.succeed("init t.csv --target sold --output j.toml");
    folder.refuse("init t.csv --target sold --output j.toml", &["j.toml", "--force"]);
    folder.refuse("init t.csv --output k.toml", &["--target", "one of size, color, sold"]);
}

/// A name that is longer than file systems take.
const LONG: &str = concat!(
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onnx"
);

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_the_standard_output_is_no_defect() {
    let folder = with(&[("t.csv", &table())]);
    folder.succeed(&format!("{TRAIN} t.csv"));
    for line in [
        "schema",
        "completions bash",
        "inspect t.csv",
        "inspect t.csv --json",
        "evaluate model.onnx t.csv",
        "predict model.onnx t.csv --output -",
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ended = folder.command(line).stdout(full).output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(2) && told.contains("the standard output: No space left"), "quelea {line}: {told}");
    }
}

#[test]
fn advice_names_the_key_that_is_in_the_way() {
    let folder = with(&[("t.csv", &table())]);
    let parts = "--set data.validation=0.999 --set data.test=0.0005";
    let Ended { err, .. } = folder.run(&format!("{TRAIN} t.csv {parts}"));
    assert!(err.contains("data.validation and data.test take all 200 rows") && !err.contains("data.target"), "{err}");
    folder.refuse(&format!("{TRAIN} t.csv {parts}"), &["lower them"]);
    for value in ["18446744073709551615", "-1", "1.5"] {
        let told = ["run.seed", value, "this is a whole number from 0 to 9223372036854775807"];
        folder.refuse(&format!("{TRAIN} t.csv --seed {value}"), &told);
        folder.refuse(&format!("{TRAIN} t.csv --set run.seed={value}"), &told);
    }
    folder.succeed(&format!("{TRAIN} t.csv --seed 9223372036854775807"));
    for threads in ["0", "1025", "-1", "many"] {
        folder.refuse(&format!("{TRAIN} t.csv --threads {threads}"), &["run.threads", threads, "from 1 to 1024"]);
    }
    folder.refuse(&format!("{TRAIN} t.csv --set model.n_estimators=99999999999"), &["model.n_estimators", "from 1 to 1000000"]);
    folder.refuse(&format!("{TRAIN} t.csv --workers -1"), &["cluster.workers", "from 0 to 1024"]);
    folder.refuse(&format!("{TRAIN} t.csv --set =1"), &["--set =1", "KEY=VALUE"]);
}

#[test]
fn keys_that_are_wrong() {
    let folder = with(&[
        ("t.csv", &table()),
        ("job.toml", "[data]\ntable = \"t.csv\"\ntarget = \"sold\"\n\n[model]\ntype = \"gradient-boosting\"\nlearning_rat = 0.1\n"),
    ]);
    folder.refuse("train job.toml", &["model.learning_rat", "did you mean model.learning_rate?"]);
    folder.refuse(&format!("{TRAIN} t.csv --set model.learning_rate=-1"), &["model.learning_rate"]);
    folder.refuse(&format!("{TRAIN} t.csv --set model.num_leaves=many"), &["model.num_leaves"]);
    folder.refuse(&format!("{TRAIN} t.csv --set model.learning_rate"), &["KEY=VALUE"]);
    folder.refuse("train --data t.csv --target sold --model gradient-bosting", &["did you mean \"gradient-boosting\"?"]);
    folder.refuse(&format!("{TRAIN} t.csv --set data.ignore=size"), &["data.ignore: \"size\"", "a list of texts"]);
    folder.refuse(&format!("{TRAIN} t.csv --set data.categories=[\"sold\"]"), &["data.categories", "\"sold\" is data.target", "data.task"]);
    folder.refuse(&format!("{TRAIN} t.csv --set data.validation=x.csv"), &["data.validation: x.csv: no such file"]);
    folder.refuse(&format!("{TRAIN} t.csv --set data.class_weights.maybe=2"), &["\"maybe\"", "there are no, yes"]);
    folder.refuse(&format!("{TRAIN} t.csv --set data.class_weights={{yes=0,no=0}}"), &["data.class_weights", "weighs 0"]);
    let numbers = "train --data t.csv --target sold --model gradient-boosting --set model.objective=absolute_error";
    folder.refuse(numbers, &["model.objective = \"absolute_error\"", "data.task = \"regression\""]);
}

#[test]
fn queries_and_weights_that_are_wrong() {
    let folder = with(&[
        (
            "job.toml",
            "[data]\nquery = \"SELECT * FROM sale\"\ntables.sales = \"t.csv\"\ntarget = \"sold\"\n[model]\ntype = \"gradient-boosting\"\n",
        ),
        ("t.csv", &table()),
        ("w.csv", "size,w,sold\n1,0,yes\n2,0,no\n"),
        ("inf.csv", "size,w,sold\n1,0,yes\n2,inf,no\n"),
    ]);
    folder.refuse("train job.toml", &["data.query: there is no table \"sale\"", "did you mean \"sales\"?"]);
    folder.refuse(&format!("{TRAIN} w.csv --set data.weight=w"), &["w.csv", "\"w\"", "weighs 0"]);
    folder.refuse(&format!("{TRAIN} inf.csv --set data.weight=w"), &["inf.csv: row 2", "\"w\"", "infinite"]);
}
