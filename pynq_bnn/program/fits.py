"""Whether the accelerator takes a network, and which of its limits one breaks that it does not take."""

from __future__ import annotations

from ..errors import BackendError
from ..network import Network
from .config import Config
from .schedule import schedule


def accelerator_refusal(network: Network, config: Config | None = None) -> str | None:
    """The layer and the limit because of which the accelerator does not take ``network``; None where it takes it.

    The scheduler's own answer, which the backends "overlay" and "rtl" give too.
    """
    try:
        schedule(network, config, images=1)
    except BackendError as error:
        return str(error)
    return None
