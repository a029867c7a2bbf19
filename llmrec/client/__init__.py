"""A service asked from Python."""

from llmrec.client.client import Client

__all__ = ["Client"]
