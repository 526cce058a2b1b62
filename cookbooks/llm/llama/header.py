"""Reads in ``llama.h`` how the library that was built with it is called.

Structures gain fields from month to month, and one that is laid out otherwise than the library believes is
read as garbage. So those of a llama.cpp of the user's own are taken from its header, not from a list here.
"""

import ctypes
import functools
import re
from typing import Any

from blut_resources.payload_kit.refuse import Refused

COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/|\"[^\"\n]*\"", re.DOTALL)
DIRECTIVES = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*", re.MULTILINE | re.DOTALL)
DEPRECATED = re.compile(r"DEPRECATED\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*;")
ALIAS = re.compile(r"typedef\s+([\w\s]+?[\s*]+)(\w+)\s*;")
CALLBACK = re.compile(r"typedef\s+[^;(){}]+\(\s*\*\s*(\w+)\s*\)\s*\([^;{}]*\)\s*;")
STRUCT = re.compile(r"struct\s+(\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
ENUM = re.compile(r"enum\s+(\w+)\s*\{([^{}]*)\}")
UNION = re.compile(r"union\s*\{([^{}]*)\}\s*\w*\s*;")
FUNCTION = re.compile(r"LLAMA_API\s+([^;{}()]*?)\b(\w+)\s*\(([^;{}]*?)\)\s*;")
DECLARED = re.compile(r"(.*?[\s*])(\w+)\s*(?:\[\s*(\d+)\s*\])?")
SCALARS: dict[str, Any] = {
    **{"void": None, "bool": ctypes.c_bool, "char": ctypes.c_char, "int": ctypes.c_int},
    **{"float": ctypes.c_float, "double": ctypes.c_double, "size_t": ctypes.c_size_t},
    **{f"int{bits}_t": getattr(ctypes, f"c_int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}_t": getattr(ctypes, f"c_uint{bits}") for bits in (8, 16, 32, 64)},
}
LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class HeaderError(Refused, ValueError):
    """Says what of a header cannot be understood, or is not in it."""


class Structure(ctypes.Structure):
    """Refuses to set a field that the library does not have: Python would keep what nobody reads."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in (field[0] for field in self._fields_):
            raise HeaderError(f"{type(self).__name__} has no field {name}")
        super().__setattr__(name, value)


class Header:
    """Holds what ``llama.h`` declares: types are made when they are asked for."""

    def __init__(self, text: str) -> None:
        text = DEPRECATED.sub("", DIRECTIVES.sub("", COMMENTS.sub("", text)))
        self._structs = dict(STRUCT.findall(text))
        self._enums = dict(ENUM.findall(text))
        self._functions = {name: (made, taken) for made, name, taken in FUNCTION.findall(text)}
        self._callbacks = set(CALLBACK.findall(text))
        self._aliases = {
            name: of for of, name in ALIAS.findall(CALLBACK.sub("", text)) if name != of.split()[-1]
        }

    def bind(self, library: ctypes.CDLL, name: str) -> Any:
        """Returns a function of the library, with the types that the header gives it.

        Raises:
            HeaderError: it is not declared, the library has none, or a type is not understood.
        """
        if name not in self._functions:
            raise HeaderError(f"it declares no {name}")
        made, taken = self._functions[name]
        parameters = [one for one in taken.split(",") if one.split() not in ([], ["void"])]
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise HeaderError(f"its library has no {name}") from error
        function.restype = self.type(made)
        function.argtypes = [self._parameter(one) for one in parameters]
        return function

    def is_struct(self, name: str) -> bool:
        """Says whether it is the name of a structure."""
        return name in self._structs

    def constant(self, name: str) -> int:
        """Returns the value of a constant of an enumeration. Raises HeaderError."""
        for body in self._enums.values():
            value = -1
            for member in filter(None, map(str.strip, body.split(","))):
                known, _, said = (part.strip() for part in member.partition("="))
                try:
                    value = int(said, 0) if said else value + 1
                except ValueError:  # made of others: nothing here is
                    continue
                if known == name:
                    return value
        raise HeaderError(f"it has no constant {name}")

    @functools.cache  # noqa: B019 - as long-lived as the library
    def struct(self, name: str) -> type[Structure]:
        """Returns a structure, laid out as the library has it. Raises HeaderError."""
        if name not in self._structs:
            raise HeaderError(f"it declares no structure {name}")
        return type(name, (Structure,), {"_fields_": self._fields(name, self._structs[name])})

    def type(self, text: str) -> Any:
        """Returns the type of a declaration without its name. Raises HeaderError."""
        words = [word for word in text.replace("*", " ").split() if word != "const"]
        stars, base = text.count("*"), words[-1] if words else ""
        if base in self._aliases and base not in self._structs:
            return _pointed(self.type(self._aliases[base]), stars)
        if base == "char" and stars == 1:
            return ctypes.c_char_p
        if base in SCALARS:
            return _pointed(SCALARS[base], stars)
        if words[:1] == ["enum"] or base in self._enums:
            return _pointed(ctypes.c_int, stars)
        if base in self._structs and not (stars and self._is_opaque(base)):
            return _pointed(self.struct(base), stars)
        pointer = base in self._callbacks or base.endswith(("_callback", "_t"))
        if pointer or stars:
            return _pointed(ctypes.c_void_p, stars if pointer else stars - 1)
        raise HeaderError(f"the type {text.strip()!r} is not understood")

    def _is_opaque(self, name: str) -> bool:
        """Says whether only pointers to it are passed around, so that its layout matters to nobody here."""
        return not name.endswith(("_override", "_data", "_batch"))

    def _parameter(self, text: str) -> Any:
        found = DECLARED.fullmatch(text.strip())
        try:
            return self.type(found[1] if found else text)
        except HeaderError:
            return self.type(text)

    def _fields(self, name: str, body: str) -> list[tuple[str, Any]]:
        fields: list[tuple[str, Any]] = []
        begun = 0
        for union in UNION.finditer(body):
            fields += self._declared(name, body[begun : union.start()])
            members = self._declared(name, union[1])
            fields.append(("value", type(f"{name}_value", (ctypes.Union,), {"_fields_": members})))
            begun = union.end()
        return fields + self._declared(name, body[begun:])

    def _declared(self, name: str, text: str) -> list[tuple[str, Any]]:
        fields: list[tuple[str, Any]] = []
        for one in filter(None, map(str.strip, text.split(";"))):
            found = DECLARED.fullmatch(" ".join(one.split()))
            if found is None:
                raise HeaderError(f"{name}: {one!r} is not understood")
            of, field, length = found.groups()
            kind = self.type(of)
            fields.append((field, kind * int(length) if length else kind))
        return fields


class Bindings:
    """Stands for a library as its header declares it, by the names that the kit's bindings have too."""

    llama_log_callback = LOG_CALLBACK
    llama_token = ctypes.c_int32
    llama_adapter_lora_p_ctypes = ctypes.c_void_p

    def __init__(self, library: ctypes.CDLL, header: Header) -> None:
        self._library, self._header = library, header

    def __getattr__(self, name: str) -> Any:
        """Returns a function, a structure or a constant. Raises HeaderError."""
        if name.isupper():
            found: Any = self._header.constant(name)
        elif self._header.is_struct(name):
            found = self._header.struct(name)
        else:
            found = self._header.bind(self._library, name)
        setattr(self, name, found)
        return found


def _pointed(kind: Any, stars: int) -> Any:
    """Returns a pointer of so many levels; to nothing in particular where nobody knows what is there."""
    if kind is None and stars:
        kind, stars = ctypes.c_void_p, stars - 1
    for _ in range(stars):
        kind = ctypes.POINTER(kind)
    return kind
