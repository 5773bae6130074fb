"""The JSON schema of suite files, for editors: of the models that check them, and of the options of the methods."""

from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

import methods
from bench.suite.method_entries import options_model
from bench.suite.schema import MethodKeys, SuiteFile
from bench.suite.values import Label

Json = dict[str, Any]


def schema() -> Json:
    """Draft 2020-12. What depends on several keys at once, and on the data, only `bench plan` checks."""
    classes = {name: methods.method_class(name) for name in methods.names()}
    options = {name: options_model(cls) for name, cls in classes.items()}  # type: ignore[arg-type]
    models: list[type[BaseModel]] = [SuiteFile, MethodKeys, *options.values()]
    references, shared = models_json_schema([(model, "validation") for model in models])
    by_name = {name: references[model, "validation"] for name, model in options.items()}
    named = shared["$defs"]["MethodKeys"]
    for reference in by_name.values():
        shared["$defs"][reference["$ref"].rpartition("/")[2]]["properties"] |= named["properties"]
    del named["additionalProperties"]  # of a class from outside the options are not known
    named["required"] = ["use"]
    named["allOf"] = [{"if": {"properties": {"use": {"const": name}}}, "then": by_name[name]} for name in by_name]
    top = shared["$defs"].pop("SuiteFile")
    top["properties"]["methods"] = _methods(by_name, references[MethodKeys, "validation"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | top | shared


def _methods(by_name: dict[str, Any], named: Any) -> Json:
    """Labels: the name of a method, unless `use` says another."""
    use = {"required": ["use"], "type": "object"}
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": TypeAdapter(Label).json_schema(),
        "properties": {
            name: {"if": use, "then": named, "else": {"anyOf": [{"type": "null"}, options]}}
            for name, options in by_name.items()
        },
        "additionalProperties": named,
    }
