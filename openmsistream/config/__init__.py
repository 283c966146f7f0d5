"""Configuration files: INI text, named files and $ENV become the properties of Kafka clients, each with its origin."""

from __future__ import annotations

from openmsistream.config.properties import ClientProperties, Property
from openmsistream.config.secret import mask
from openmsistream.config.settings import Settings, load
from openmsistream.config.wire import Wire

__all__ = ["ClientProperties", "Property", "Settings", "Wire", "load", "mask"]
