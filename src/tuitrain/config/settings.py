"""The table of settings, read off the declarations in `tuitrain.config.schema`."""

from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import fields

from tuitrain.config.schema import Config

type_names = {int: "a whole number", float: "a number", bool: "true or false", str: "printable text"}
Value = str | int | float | bool | tuple[str, ...] | tuple[int, ...] | None


class Setting(Struct, frozen=True, kw_only=True):
    """One setting: `key` is `section.name`; `kind` the Python type, of an element of a list if `is_list`."""

    key: str
    kind: type
    is_list: bool
    optional: bool
    default: Any
    choices: tuple[str, ...]
    help: str
    bounds: Meta
    annotation: Any

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        words = self._one()
        if self.is_list:
            words = f"a list, each {words}"
        return f"{words}, or none" if self.optional else words

    def _one(self) -> str:
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.key == "training.device":
            return "auto, cpu, cuda, cuda:0 to cuda:99 or mps"
        bounds = [
            f"{sign} {bound}"
            for sign, bound in (
                (">", self.bounds.gt),
                (">=", self.bounds.ge),
                ("<", self.bounds.lt),
                ("<=", self.bounds.le),
            )
            if bound is not None and abs(bound) < 2**62
        ]
        return f"{type_names[self.kind]} {' and '.join(bounds)}".strip()


def _setting(section: str, name: str, annotation: Any, default: Any) -> Setting:
    bounds, inner = annotation.__metadata__[0], annotation.__origin__
    help_text = bounds.description or ""
    optional = NoneType in get_args(inner)
    is_list = get_origin(inner) is tuple
    if optional or is_list:
        inner = get_args(inner)[0]
        if get_origin(inner) is Annotated:
            bounds, inner = inner.__metadata__[0], inner.__origin__
    choices = get_args(inner) if get_origin(inner) is Literal else ()
    return Setting(
        key=f"{section}.{name}",
        kind=str if choices else inner,
        is_list=is_list,
        optional=optional,
        default=default,
        choices=choices,
        help=help_text,
        bounds=bounds,
        annotation=annotation,
    )


@cache
def settings() -> dict[str, Setting]:
    """All settings by their dotted key, in the order in which they are declared."""
    return {
        key: item for section in fields(Config) for key, item in declared_settings(section.name, section.type).items()
    }


def declared_settings(section: str, declared: type[Struct]) -> dict[str, Setting]:
    """What `declared`, a Struct whose fields are settings, declares, by `section.name`."""
    defaults = declared()
    return {
        f"{section}.{name}": _setting(section, name, annotation, getattr(defaults, name))
        for name, annotation in get_type_hints(declared, include_extras=True).items()
    }


def sections() -> dict[str, str]:
    """Each section's name and the one line that says what it is about."""
    return {field.name: (field.type.__doc__ or "").rstrip(".") for field in fields(Config)}
