"""The JSON schema of suite files, for editors: from the models that check them and the options of the methods."""

import inspect
from typing import Any

from pydantic import BaseModel, TypeAdapter

import methods
from bench.data import DataSettings
from bench.recipes.named import RECIPES
from bench.recipes.recipe import Recipe
from bench.suite.method_entries import option_types
from bench.suite.schema import Ancestor, Label, MethodKeys, SuiteFile, Target

Json = dict[str, Any]


def schema() -> Json:
    """Draft 2020-12. What depends on several keys at once, and on the data, only `bench plan` checks."""
    shared: Json = {}
    for model in (Target, Ancestor, MethodKeys, DataSettings, Recipe):
        shared[model.__name__] = _of(model, shared)
    for name in ("Target", "AncestorModel"):
        _allow_single_values(shared[name])
    shared["Recipe"]["properties"]["recipe"] = {"enum": list(RECIPES), "description": "the named recipe it starts from"}
    shared["dataset"] = {"anyOf": [{"type": "string"}, _ref("DataSettings")]}
    shared["seeds"] = _or_list({"type": "integer", "minimum": 0})
    shared["Ancestor"]["properties"] |= {"train": _ref("Recipe"), "dataset": _ref("dataset")}
    shared["MethodKeys"]["properties"] |= {"train": _ref("Recipe"), "runs": _ref("Recipe"), "seeds": _ref("seeds")}
    shared |= {f"method {name}": _method(name, shared) for name in methods.names()}
    shared["named method"] = _named_method(shared.pop("MethodKeys"))
    top = _of(SuiteFile, shared)
    named = {"type": "object", "additionalProperties": _ref("Ancestor"), "minProperties": 1}
    top["properties"] |= {
        "dataset": _or_list(_ref("dataset")),
        "ancestor": {"if": {"required": ["model"]}, "then": _ref("Ancestor"), "else": named},
        "targets": {"type": "array", "items": _ref("Target"), "minItems": 1},
        "train": _ref("Recipe"),
        "seeds": _ref("seeds"),
        "methods": _methods(),
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | top | {"$defs": shared}


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _or_list(item: Json) -> Json:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _of(model: type[BaseModel], shared: Json) -> Json:
    """The schema of a model; the models inside it go to `shared`."""
    made = model.model_json_schema(ref_template="#/$defs/{model}")
    shared |= made.pop("$defs", {})
    for described in made["properties"].values():
        described.pop("title", None)
    return made


def _allow_single_values(size: Json) -> None:
    """Of an axis, a value stands for a list of one."""
    for described in size["properties"].values():
        branches = described.get("anyOf", [])
        branches += [branch["items"] for branch in branches if branch.get("type") == "array"]


def _method(name: str, shared: Json) -> Json:
    """Options and reserved keys of a method, with the first line of its docstring."""
    cls = methods.method_class(name)
    options = {option: adapter.json_schema() for option, adapter in option_types(cls).items()}
    return {
        "type": ["object", "null"],
        "description": (inspect.getdoc(cls) or "").split("\n")[0],
        "properties": options | shared["MethodKeys"]["properties"],
        "additionalProperties": False,
    }


def _named_method(keys: Json) -> Json:
    """What stands under a label of one's own: `use` names a method of the project, or `module:Class`."""
    known = [
        {"if": {"properties": {"use": {"const": name}}}, "then": _ref(f"method {name}")} for name in methods.names()
    ]
    return {"type": "object", "required": ["use"], "properties": keys["properties"], "allOf": known}


def _methods() -> Json:
    """Labels: the name of a method, unless `use` says another."""
    by_name = {
        name: {
            "if": {"required": ["use"], "type": "object"},
            "then": _ref("named method"),
            "else": _ref(f"method {name}"),
        }
        for name in methods.names()
    }
    return {
        "type": "object",
        "minProperties": 1,
        "propertyNames": TypeAdapter(Label).json_schema(),
        "properties": by_name,
        "additionalProperties": _ref("named method"),
    }
