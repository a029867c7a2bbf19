"""Read logs and catalogs from files, folders, databases and frames: a new format touches this folder alone."""

from llmrec.data.readers.read import Reader, register_reader

__all__ = ["Reader", "register_reader"]
