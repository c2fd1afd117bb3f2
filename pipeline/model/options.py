"""Options of stages: frozen dataclasses whose fields say what they are.

Forms, command-line parsing (`--set stage.option=value`) and cache keys are made from these
classes, so a new option needs one line and nothing else.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")
OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """What a form needs to know about one option.

    Attributes:
        name: Field name.
        type: bool, int, float or str.
        default: Default value.
        help: One or two sentences: what it does and why that default.
        unit: Empty if it has none.
        low: Smallest allowed number, or None.
        high: Largest allowed number, or None.
        choices: Allowed texts, empty if free.
        source: Where the default comes from.
        keyed: False if equal results may be expected whatever its value (a device): it does not
            enter the keys of results.
        capability: Of a backend: its choices are the backends that are installed; else empty.
    """

    name: str
    type: type
    default: Any
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    source: str = "our choice"
    keyed: bool = True
    capability: str = ""

    def parse(self, text: str) -> Any:
        """Read a value from text and check it; ValueError with one sentence."""
        try:
            if self.type is bool:
                value: Any = {"true": True, "1": True, "false": False, "0": False}[text.lower()]
            else:
                value = self.type(text)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{self.name}: expected {self.type.__name__}, got “{text}”") from error
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raise ValueError unless `value` is allowed."""
        if self.choices and value not in self.choices:
            raise ValueError(f"{self.name}: expected one of {', '.join(self.choices)}, got {value}")
        if self.type in (int, float) and not (
            (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        ):
            raise ValueError(f"{self.name}: expected {self.span}, got {value}")

    @property
    def span(self) -> str:
        """The allowed numbers in words, empty if all are."""
        if self.low is None:
            return "" if self.high is None else f"at most {self.high}"
        return f"at least {self.low}" if self.high is None else f"{self.low} to {self.high}"


def option(
    default: T,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    source: str = "our choice",
    keyed: bool = True,
    capability: str = "",
) -> T:
    """Declare a field of an options class."""
    meta = {
        "help": help,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "source": source,
        "keyed": keyed,
        "capability": capability,
    }
    return dataclasses.field(default=default, metadata=meta)


def describe(options: type | object) -> tuple[OptionInfo, ...]:
    """List the options of an options class (or of an instance)."""
    cls = options if isinstance(options, type) else type(options)
    hints = get_type_hints(cls)
    return tuple(
        OptionInfo(f.name, hints[f.name], f.default, **f.metadata) for f in dataclasses.fields(cls)
    )


def with_option(options: OptionsT, name: str, value: Any) -> OptionsT:
    """Return `options` with one checked value replaced; ValueError if there is no such option."""
    for info in describe(options):
        if info.name == name:
            info.check(value)
            return dataclasses.replace(options, **{name: value})  # type: ignore[type-var]
    known = ", ".join(i.name for i in describe(options))
    raise ValueError(f"no option {name}; there are: {known}")


def keyed_values(options: Any) -> dict[str, Any]:
    """Values of the options that decide a result, by name."""
    return {
        f.name: getattr(options, f.name)
        for f in dataclasses.fields(options)
        if f.metadata.get("keyed", True)
    }
