"""Frozen configurations: override one field by its dotted name, read them as dicts, hash them."""

import ast
import dataclasses
import hashlib
import json
import types
import typing

from paperlib.spelling import did_you_mean


def override(cfg, changes: dict | list[str]):
    """A copy of a nested frozen dataclass with the named fields replaced.

    `changes` is {"loss.gamma": 0.0} or ["loss.gamma=0"]; text is read as a Python literal, else as a string.
    Errors: KeyError for a field that does not exist (it lists those that do);
            TypeError -> ValueError for a value of the wrong type; ValueError for text without "=".
    """
    for key, value in _pairs(changes):
        cfg = _replace(cfg, key, key, value)
    return cfg


def _pairs(changes) -> list[tuple[str, object]]:
    if isinstance(changes, dict):
        return list(changes.items())
    pairs = []
    for text in changes:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise ValueError(f"override {text!r} is not of the form key=value, for example loss.gamma=0")
        pairs.append((key.strip(), _literal(value.strip())))
    return pairs


def _literal(text: str):
    if text.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _replace(cfg, key: str, whole: str, value):
    head, _, rest = key.partition(".")
    names = [f.name for f in dataclasses.fields(cfg)]
    if head not in names:
        raise KeyError(f"unknown override {whole!r}: {type(cfg).__name__} has no field {head!r}; "
                       f"it has {', '.join(names)}{did_you_mean(head, names)}")
    old = getattr(cfg, head)
    if rest:
        if not dataclasses.is_dataclass(old):
            raise KeyError(f"unknown override {whole!r}: {type(cfg).__name__}.{head} is a value, "
                           f"it has no {rest!r}")
        return dataclasses.replace(cfg, **{head: _replace(old, rest, whole, value)})
    hint = typing.get_type_hints(type(cfg))[head]
    return dataclasses.replace(cfg, **{head: _fit_type(value, hint, whole)})


def _fit_type(value, hint, key: str):
    """`value` if it is of the type that the field declares; ints become floats, lists tuples, "none" None."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if value == "none" and type(None) in options:  # TOML has no null
        return None
    for option in options:
        kind = typing.get_origin(option) or option
        if kind is type(None) and value is None:
            return None
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if kind is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if kind is tuple and isinstance(value, (list, tuple)):
            inner = typing.get_args(option)
            return tuple(_fit_type(v, inner[0], key) for v in value) if inner[1:] == (...,) else tuple(value)
        if kind in (bool, str, dict) and isinstance(value, kind):
            return value
    name = getattr(hint, "__name__", None) or str(hint)
    raise ValueError(f"override {key!r}: {value!r} is of type {type(value).__name__}, expected {name}")


def departures(cfg) -> dict:
    """The fields of a nested dataclass that differ from their defaults, by name.

    A part's fields are compared with the part's defaults. A field without a default is always in it.
    """
    changed = {}
    for field in dataclasses.fields(cfg):
        value, default = getattr(cfg, field.name), field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if value != default:
            changed[field.name] = departures(value) if dataclasses.is_dataclass(value) else value
    return changed


def to_dict(cfg) -> dict:
    """A nested dataclass as plain JSON-ready dictionaries (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(cfg)))


def digest(value) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a JSON-ready value, keys sorted."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
