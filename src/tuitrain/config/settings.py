"""The table of all settings, derived from the declarations in `tuitrain.config.schema`."""

from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import fields

from tuitrain.config.arguments import ALLOWED, ALLOWED_TABLE, TABLE, is_argument
from tuitrain.config.data.schema import Auto
from tuitrain.config.schema import Config

SEED, FOLD, FOLDS, BEST = "training.seed", "data.fold", "training.folds", "training.best"
NODES = "training.nodes"
FRACTION = "data.fraction"
_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "printable text"}


class Setting(Struct, frozen=True, kw_only=True):
    """The declaration of one setting: `key` is `section.name`, `kind` the type of its value or, if `is_list`, of an
    element, `bounds` the range and `annotation` the full type for msgspec. `optional` allows none, and `automatic` the
    word auto. `others` describes allowed text that `choices` do not list."""

    key: str
    kind: type
    is_list: bool
    optional: bool
    automatic: bool
    default: Any
    choices: tuple[str, ...]
    others: str
    help: str
    bounds: Meta
    annotation: Any

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    @property
    def is_free_text(self) -> bool:
        return self.kind is str and not self.choices and not self.others

    @property
    def allowed(self) -> str:
        """The allowed values in words, to follow "must be"."""
        words = f"a list, each {self._allowed_scalar()}" if self.is_list else self._allowed_scalar()
        return f"{words}, or none" if self.optional else f"{words}, or auto" if self.automatic else words

    def _allowed_scalar(self) -> str:
        if self.choices:
            return "one of " + ", ".join((*self.choices, self.others) if self.others else self.choices)
        if self.key == TABLE:
            return ALLOWED_TABLE
        if is_argument(self.key):
            return ALLOWED
        if self.others:
            return self.others
        bounds = self.bounds
        signs = ((">", bounds.gt), (">=", bounds.ge), ("<", bounds.lt), ("<=", bounds.le))
        # The largest 64-bit integer, the limit of training.seed, tells users nothing.
        limits = [f"{sign} {bound}" for sign, bound in signs if bound is not None and abs(bound) < 2**62]
        return f"{_TYPE_NAMES[self.kind]} {' and '.join(limits)}".strip()


@cache
def settings() -> dict[str, Setting]:
    """Return all settings of a run by dotted key, in the order of their declaration."""
    table: dict[str, Setting] = {}
    for section in fields(Config):
        table |= declared_settings(section.name, section.type)
    return table


def sections() -> dict[str, str]:
    """Return the docstring of each section by section name, without the full stop."""
    return {field.name: (field.type.__doc__ or "").rstrip(".") for field in fields(Config)}


def declared_settings(section: str, declaration: type[Struct]) -> dict[str, Setting]:
    """Return the settings that the fields of `declaration` declare, by `section.name`."""
    defaults = declaration()
    return {
        f"{section}.{name}": _read_field(section, name, annotation, getattr(defaults, name))
        for name, annotation in get_type_hints(declaration, include_extras=True).items()
    }


def _read_field(section: str, name: str, annotation: Any, default: Any) -> Setting:
    bounds, kind = annotation.__metadata__[0], annotation.__origin__
    help_text = bounds.description or ""
    optional = NoneType in get_args(kind)
    automatic = Auto in get_args(kind)
    is_list = get_origin(kind) is tuple
    if optional or automatic or is_list:
        kind = get_args(kind)[0]
        if get_origin(kind) is Annotated:
            bounds, kind = kind.__metadata__[0], kind.__origin__
    extra = bounds.extra or {}
    choices = get_args(kind) if get_origin(kind) is Literal else extra.get("choices", ())
    return Setting(
        key=f"{section}.{name}",
        kind=str if choices else kind,
        is_list=is_list,
        optional=optional,
        automatic=automatic,
        default=default,
        choices=choices,
        others=extra.get("others", ""),
        help=help_text,
        bounds=bounds,
        annotation=annotation,
    )


def argument_setting(key: str) -> Setting:
    """Return the setting of one argument of the user's network, `model.args.NAME`; its type is not declared."""
    help_text = "Keyword argument of your own network"
    return Setting(
        key=key, kind=object, is_list=False, optional=False, automatic=False, default=None, choices=(), help=help_text,
        bounds=Meta(), annotation=Any, others="",
    )  # fmt: skip
