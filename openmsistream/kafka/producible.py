"""What programs written for OpenMSIStream derive the records from that they produce."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Producible(ABC):
    """Something that can be put on a topic: its key and its value, before the serializers of the config file."""

    @property
    @abstractmethod
    def msg_key(self) -> Any:
        """The key of the record."""

    @property
    @abstractmethod
    def msg_value(self) -> Any:
        """The value of the record."""

    @property
    def callback_kwargs(self) -> dict[str, Any]:
        """What the delivery callback is called with, beside error, message and producer."""
        return {}

    def get_log_msg(self, print_every: int | None = None) -> str | None:
        """What is logged when it is sent; None for nothing."""
        return None
