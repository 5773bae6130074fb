"""The values of a suite file that are no mappings: their types, with what is told of a wrong one."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, ValidationError, WrapValidator
from pydantic_core import CoreSchema, PydanticUndefined, core_schema

from bench.suite.problems import shown

MAX_SEEDS = 10_000
KEPT_WEIGHTS = ("none", "start", "end", "both")
RESERVED_NAMES = ("jobs", "reference", "cache", "code")  # folders of the results directory


def as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


class OrOne:
    """Marks a list of which a single entry may be written without the brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entries = handler(source)
        either = core_schema.union_schema([handler.generate_schema(get_args(source)[0]), entries])
        return core_schema.no_info_before_validator_function(as_list, entries, json_schema_input_schema=either)


def worded(message: Callable[[Any], str]) -> WrapValidator:
    """Tells what is wrong with a value by one sentence in place of pydantic's."""

    def validate(value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(message(value)) from None

    return WrapValidator(validate)


def mapping(expected: str, *others: type, shape: Any = PydanticUndefined) -> BeforeValidator:
    """Tells a value that is neither a mapping nor of the types `others` what is expected; `shape` is for the schema."""

    def validate(value: Any) -> Any:
        if not isinstance(value, (dict, *others)):
            raise ValueError(f"expected {expected}, found {shown(value)}")
        return value

    return BeforeValidator(validate, json_schema_input_type=shape)


Count = Annotated[int, Field(ge=1, le=1_000_000)]
Layers = Annotated[int, Field(ge=1, le=1000)]
IntAxis = Annotated[list[Count], OrOne(), Field(min_length=1)]
DepthAxis = Annotated[list[Layers], OrOne(), Field(min_length=1)]
FloatAxis = Annotated[list[Annotated[float, Field(gt=0, le=1000)]], OrOne(), Field(min_length=1)]
NameAxis = Annotated[list[str], OrOne(), Field(min_length=1)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$", max_length=100)]  # in tables and file names


def _not_reserved(name: str) -> str:
    if name in RESERVED_NAMES:
        others = ", ".join(RESERVED_NAMES)
        raise ValueError(f"{name!r} is a folder of the results; expected another name than {others}")
    return name


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=100), AfterValidator(_not_reserved)]


def _seeds(value: Any, handler: Any) -> list[int]:
    """A count stands for the seeds from 0."""
    counts = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_SEEDS
    try:
        seeds: list[int] = handler(list(range(value)) if counts else value)
    except ValidationError:
        expected = f"a count from 1 to {MAX_SEEDS:,}, or a list of seeds from 0 to {2**31 - 1} such as [0, 1]"
        raise ValueError(f"expected {expected}, found {shown(value)}") from None
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"a seed is listed twice: {shown(value)}")
    return seeds


def _kept_weights(value: Any) -> Any:
    """True is `end`, false is `none`."""
    return ("end" if value else "none") if isinstance(value, bool) else value


KeptWeights = Annotated[
    Literal[KEPT_WEIGHTS],  # type: ignore[valid-type]
    BeforeValidator(_kept_weights, json_schema_input_type=bool | Literal[KEPT_WEIGHTS]),  # type: ignore[valid-type]
]
_SeedList = Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(min_length=1)]
_SeedCount = Annotated[int, Field(ge=1, le=MAX_SEEDS)]
Seeds = Annotated[_SeedList, WrapValidator(_seeds, json_schema_input_type=_SeedCount | _SeedList)]
