"""Whether a network fits the accelerator, and if not, which limit it exceeds."""

from __future__ import annotations

from ..errors import BackendError
from ..network import Network
from .config import Config
from .schedule import schedule


def accelerator_refusal(network: Network, config: Config | None = None) -> str | None:
    """A message with the layer and the limit that keep ``network`` off the accelerator; None if it fits.

    It is the scheduler's error, which the backends "overlay" and "rtl" would raise too.
    """
    try:
        schedule(network, config, images=1)
    except BackendError as error:
        return str(error)
    return None
