"""Writes the manual of job files, docs/job.md, from their schema.

usage: quelea schema | job.py > docs/job.md
"""

import json
import sys

HEAD = """# The job file

All keys, with their defaults and the reasons for them. `quelea init TABLE` writes a job file to begin with, `quelea schema`
prints the JSON Schema that this page is made from, and `quelea train --set TABLE.KEY=VALUE` sets a key for once. A key that is
misspelt, of another kind, or out of its range is an error that names it. A duration is a number with its unit, `ms`, `s`, `m` or `h`: `"10s"`, `"500ms"`, `"2m"`.
"""


def main():
    schema = json.load(sys.stdin)
    print(HEAD)
    for table, of in schema["properties"].items():
        shape = resolved(schema, of)
        print(f"## [{table}]\n\n{text(shape['description'])}\n")
        if table == "model":
            for learner in shape["oneOf"]:
                print_learner(schema, learner)
        else:
            print_keys(schema, shape)


def print_learner(schema, learner):
    name = learner["properties"].pop("type")["const"]
    print(f'### type = "{name}"\n\n{text(learner["description"]).capitalize()}.\n')
    print_keys(schema, learner)


def print_keys(schema, table, prefix=""):
    print("| key | kind | default | meaning |\n|---|---|---|---|")
    below = {}
    for key, of in table["properties"].items():
        shape = resolved(schema, of)
        if "properties" in shape:
            below[key] = shape
            continue
        default = f"`{json.dumps(of['default'])}`" if "default" in of else "required" if key in table.get("required", []) else ""
        print(f"| `{prefix}{key}` | {kind(schema, of)} | {default} | {text(of.get('description', shape.get('description', '')))} |")
    print()
    for key, shape in below.items():
        print(f"{text(table['properties'][key]['description'])}\n")
        print_keys(schema, shape, f"{prefix}{key}.")


def kind(schema, of):
    """What a value is, in words."""
    if "$ref" in of:
        return kind(schema, schema["$defs"][of["$ref"].split("/")[-1]])
    for choices in ("anyOf", "oneOf"):
        if choices in of:
            kinds = [kind(schema, choice) for choice in of[choices] if choice.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if "const" in of:
        return f"`{json.dumps(of['const'])}`"
    if "enum" in of:
        return " or ".join(f"`{json.dumps(value)}`" for value in of["enum"] if value is not None)
    if of.get("pattern", "").endswith("(ms|s|m|h)$"):
        return "duration"
    types = of["type"] if isinstance(of["type"], list) else [of["type"]]
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`", "object": "table"}
    return " or ".join(f"list of: {kind(schema, of['items'])}" if name == "array" else names[name] for name in types if name != "null")


def resolved(schema, of):
    """What a reference, or a choice between one and nothing, stands for."""
    for choice in of.get("anyOf", []):
        if "$ref" in choice and len([c for c in of["anyOf"] if c.get("type") != "null"]) == 1:
            of = choice
    return schema["$defs"][of["$ref"].split("/")[-1]] if "$ref" in of else of


def text(description):
    return " ".join(description.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
