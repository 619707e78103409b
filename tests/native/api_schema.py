"""The OpenAPI file of the monitor, read: its operations, and a validator of values against its schemas.

The validator knows the part of OpenAPI 3.0 that the file uses and fails on any other keyword, so that nothing in the
file goes unheeded."""
import json
import pathlib
import re

from kit import Failed

FILE = pathlib.Path(__file__).parents[2] / "monitor/api/openapi.json"
METHODS = ("get", "put", "post", "patch", "delete", "options", "head", "trace")
OF_OPERATIONS = {
    "operationId",
    "tags",
    "summary",
    "description",
    "parameters",
    "requestBody",
    "responses",
    "x-when",
    "x-most",
    "x-refused",
    "x-tried-in",
}
OF_SCHEMAS = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "items",
    "enum",
    "minimum",
    "maximum",
    "format",
    "minLength",
    "maxLength",
    "pattern",
    "nullable",
    "default",
    "deprecated",
    "description",
    "example",
    "allOf",
    "x-file",
    "x-any-case",
    "x-told-as",
    "x-bytes",
    "x-root",
    "x-any-of",
    "x-even",
    "x-path-parameter",
    "x-value-when",
    "x-refused",
    "x-config-file",
}
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))


def resolved(node):
    """The node itself, or what its $ref leads to."""
    while "$ref" in node:
        target = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        node = target
    return node


class Operation:
    """One method of one route."""

    def __init__(self, path, method, spec, of_path):
        self.path, self.method, self.spec = path, method.upper(), spec
        self.name = spec["operationId"]
        self.refused = spec.get("x-refused")
        self.when = spec.get("x-when", "never" if self.refused else None)
        self.most = spec.get("x-most")
        self.tried_in = spec.get("x-tried-in")  # a suite of its own, since its body needs more than values
        self.parameters = [resolved(parameter) for parameter in of_path + spec.get("parameters", [])]
        self.responses = {int(status): resolved(response) for status, response in spec["responses"].items()}

    @property
    def body(self):
        """The schema of its JSON body; None if it takes none."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return resolved(content["application/json"]["schema"]) if content else None

    def at(self, identifier):
        """The path with its parameter, if it has one."""
        return re.sub(r"\{\w+\}", identifier, self.path)

    def problems_of(self, response):
        """Why the file does not have this response."""
        where = f"{self.method} {self.path} -> {response.status}"
        if response.status not in self.responses:
            return [f"{where}: the file does not have this status ({response})"]
        content = self.responses[response.status].get("content")
        found = response.headers.get("content-type")
        if not content:
            return [f"{where}: a body, where the file has none ({response})"] if response.body or found else []
        if found not in content:
            return [f"{where}: Content-Type {found!r} instead of {' or '.join(content)}"]
        if not found.startswith("application/json"):
            return []
        try:
            return [f"{where}: {problem}" for problem in problems(content[found]["schema"], response.data)]
        except ValueError:
            return [f"{where}: no JSON: {response.body!r}"]


def operations():
    found = []
    for path, item in DOCUMENT["paths"].items():
        found += [
            Operation(path, method, item[method], item.get("parameters", [])) for method in METHODS if method in item
        ]
    return found


def type_of(value):
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def problems(schema, value, where="value"):
    """What is wrong with the value, one line each; none if it is valid."""
    schema = resolved(schema)
    unknown = set(schema) - OF_SCHEMAS
    if unknown:
        raise Failed(f"{FILE.name}: {where}: the validator does not know {', '.join(sorted(unknown))}")
    found = [problem for part in schema.get("allOf", []) for problem in problems(part, value, where)]
    if value is None and schema.get("nullable"):
        return []
    if "type" in schema and type_of(value) != schema["type"]:
        return [*found, f"{where} is a {type_of(value)}, no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r}, none of {schema['enum']}")
    of_type = {"integer": of_integer, "string": of_string, "object": of_object, "array": of_array}
    return found + of_type.get(type_of(value), lambda *_: [])(schema, value, where)


def of_integer(schema, value, where):
    limit = {"int64": (1 << 63) - 1, "int32": (1 << 31) - 1}.get(schema.get("format"), value)
    low, high = schema.get("minimum", value), min(schema.get("maximum", value), limit)
    return [] if low <= value <= high else [f"{where} is {value}, not in {low} to {high}"]


def of_string(schema, value, where):
    length = len(value.encode(errors="surrogatepass")) if schema.get("x-bytes") else len(value)
    if not schema.get("minLength", 0) <= length <= schema.get("maxLength", length):
        return [f"{where} has a length of {length}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{where} is {value!r}, which is not of the pattern {schema['pattern']}"]
    return []


def of_object(schema, value, where):
    known = schema.get("properties", {})
    found = [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
    some = schema.get("x-any-of")
    if some and all(value.get(name) is None for name in some):
        found.append(f"{where} has none of {', '.join(some)}")
    if len(value) < schema.get("minProperties", 0):
        found.append(f"{where} has {len(value)} fields")
    for name, field in value.items():
        if name in known:
            found += problems(known[name], field, f"{where}.{name}")
        elif schema.get("additionalProperties") is False:
            found.append(f"{where}.{name} is no field")
    return found


def of_array(schema, value, where):
    return [
        problem for index, item in enumerate(value) for problem in problems(schema["items"], item, f"{where}[{index}]")
    ]
