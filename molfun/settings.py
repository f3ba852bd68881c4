"""How a setting is declared: once, beside the code that uses it, with default, bounds, label, help and group.

Constructors, YAML specs, `--set` on the command line, the app's forms and the docs' tables all derive from it.
Loads neither torch nor streamlit.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from molfun.errors import SettingError, nearest, printable

Level = Literal["main", "advanced"]
SHOWN_CHARACTERS = 100


class Settings(BaseModel):
    """Base of every declared group of settings: frozen, and strict about unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Validate `values` into settings.

        Raises:
            SettingError: A name is unknown (the nearest known one is given) or a value is outside its bounds.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise SettingError(explain(error, cls)) from None


def setting(
    default: Any,
    *,
    label: str,
    help: str,
    group: str = "General",
    level: Level = "main",
    unit: str = "",
    depends_on: str = "",
    **bounds: Any,
) -> Any:
    """Declare one setting.

    Args:
        default: Its default; `...` makes it required.
        label: Name on screen, sentence case, without unit.
        help: One sentence: what it does and when to change it; forms and docs add the default.
        group: Heading under which a form shows it.
        level: "main" settings are always on screen, "advanced" ones folded.
        unit: Shown behind the label, e.g. "epochs".
        depends_on: Condition under which it has an effect, in words, e.g. "EMA decay > 0".
        **bounds: pydantic bounds: `gt`, `ge`, `lt`, `le`, `min_length`, ...
    """
    extra: JsonDict = {"group": group, "level": level, "unit": unit, "depends_on": depends_on}
    return Field(default, title=label, description=help, json_schema_extra=extra, **bounds)


@dataclass(frozen=True)
class SettingInfo:
    """What a form, a docs table or `--set` needs to know of one setting.

    `kind` is "bool", "int", "float", "choice", "text" or "list"; `minimum` and `maximum` are None where unbounded,
    and `*_exclusive` tells whether the bound itself is outside. `optional` settings accept None (shown as "auto").
    """

    name: str
    label: str
    help: str
    group: str
    level: str
    unit: str
    depends_on: str
    kind: str
    default: Any
    optional: bool
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    minimum_exclusive: bool
    maximum_exclusive: bool


def describe_settings(cls: type[Settings]) -> list[SettingInfo]:
    """Return the declared settings of `cls` in the order of declaration, without its `kind` discriminator."""
    return [_info(name, field) for name, field in cls.model_fields.items() if field.title]


def default_in_words(info: SettingInfo) -> str:
    """Return a setting's default as people read it: "on", "auto" for None, "empty" for no text or list, a number."""
    if info.default is None:
        return "auto"
    if info.kind == "bool":
        return "on" if info.default else "off"
    if info.kind in ("int", "float"):
        return f"{info.default:g}"
    return str(info.default or "empty") if info.kind != "list" else ", ".join(info.default) or "empty"


def _info(name: str, field: FieldInfo) -> SettingInfo:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    kind, optional, choices = _kind(field.annotation)
    bounds = {
        key: getattr(item, key) for item in field.metadata for key in ("gt", "ge", "lt", "le") if hasattr(item, key)
    }
    return SettingInfo(
        name=name,
        label=field.title or name,
        help=field.description or "",
        group=str(extra.get("group", "General")),
        level=str(extra.get("level", "main")),
        unit=str(extra.get("unit", "")),
        depends_on=str(extra.get("depends_on", "")),
        kind=kind,
        default=field.get_default(call_default_factory=True),
        optional=optional,
        choices=choices,
        minimum=bounds.get("gt", bounds.get("ge")),
        maximum=bounds.get("lt", bounds.get("le")),
        minimum_exclusive="gt" in bounds,
        maximum_exclusive="lt" in bounds,
    )


def _kind(annotation: Any) -> tuple[str, bool, tuple[str, ...]]:
    """Return (kind, optional, choices) of a type annotation."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        kind, _, choices = _kind(inner[0])
        return kind, True, choices
    if get_origin(annotation) is Literal:
        return "choice", False, tuple(str(a) for a in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        return "list", False, ()
    return {bool: "bool", int: "int", float: "float"}.get(annotation, "text"), False, ()


def explain(error: ValidationError, cls: type[BaseModel]) -> str:
    """Turn a pydantic error into sentences that name the setting, the value and what was expected."""
    return " ".join(_sentence(item, cls) for item in error.errors())


def _sentence(item: Mapping[str, Any], cls: type[BaseModel]) -> str:
    names = ".".join(str(part) for part in item["loc"] if part not in _tags(cls))
    path = printable(names, SHOWN_CHARACTERS) or cls.__name__
    if item["type"] == "extra_forbidden":
        known = _known_names(cls, item["loc"][:-1])
        hint = nearest(str(item["loc"][-1]), known) or f"; known are: {', '.join(known)}."
        return f"Unknown setting '{path}'{hint}"
    if item["type"] == "missing":
        return f"Setting '{path}' is missing; give it a value."
    if item["type"] == "union_tag_invalid":
        return f"Setting '{path}.kind' is {item['ctx']['tag']!r}; expected one of {item['ctx']['expected_tags']}."
    message = str(item["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if item["type"] == "value_error":
        return f"Setting '{path}': {message.rstrip('.')}."
    found = printable(repr(item["input"]), SHOWN_CHARACTERS)
    return f"Setting '{path}' is {found}; {message.removeprefix('input ').rstrip('.')}."


def _tags(cls: Any) -> set[str]:
    """Return the discriminator values below `cls`; pydantic puts them into error paths, users never wrote them."""
    inner = [model for field in cls.model_fields.values() for model in _models_in(field.annotation)]
    own = {cls.model_fields["kind"].default} if "kind" in cls.model_fields else set()
    return own.union(*(_tags(model) for model in inner))


def _known_names(cls: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Return the field names of the model at `path` inside `cls`; tagged unions put their tag into the path."""
    models: list[Any] = [cls]
    for part in path:
        step = [
            m.model_fields[part].annotation for m in models if hasattr(m, "model_fields") and part in m.model_fields
        ]
        if step:
            models = [inner for annotation in step for inner in _models_in(annotation)]
        else:
            tagged = [m for m in models if "kind" in m.model_fields and m.model_fields["kind"].default == part]
            models = tagged or models
    return sorted({name for m in models if hasattr(m, "model_fields") for name in m.model_fields})


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _models_in(part)]
