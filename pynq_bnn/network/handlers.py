"""Registries of what each part of the package does for each kind of layer.

A part (an engine, the lowering to the accelerator, the blocks of the model) has a :class:`Handlers` object, in which it
registers one function or class for each kind. ``tests/network/test_kinds.py`` fails if a part does not handle a kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])


class Handlers(Generic[Handler]):
    """A registry with one entry for each of ``kinds``, the classes of records that a part of the package must handle.

    Examples
    --------
    >>> SUMS = Handlers("sums of the engine", LAYER_KINDS)
    >>> @SUMS.for_(FpConv, BinConv)
    ... def conv_sums(node, state): ...
    >>> SUMS[layer](node, state)
    """

    all: ClassVar[list[Handlers[Any]]] = []

    def __init__(self, name: str, kinds: Iterable[type]) -> None:
        self.name, self.kinds = name, tuple(kinds)
        self._handlers: dict[type, Handler] = {}
        Handlers.all.append(self)

    def for_(self, *kinds: type) -> Callable[[Handler], Handler]:
        """Decorator that registers a function or class for ``kinds``."""
        def register(handler: Handler) -> Handler:
            for kind in kinds:
                if kind in self._handlers or kind not in self.kinds:
                    raise TypeError(f"{self.name}: {kind.__name__} is registered twice, or is none of its kinds")
                self._handlers[kind] = handler
            return handler

        return register

    def __getitem__(self, record: object) -> Handler:
        return self._handlers[type(record)]

    @property
    def missing(self) -> list[str]:
        """Kinds for which nothing is registered."""
        return [kind.__name__ for kind in self.kinds if kind not in self._handlers]
