"""Write encoded events as Parquet: each id's text once per group of rows, its code in every row."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from llmrec.data.id_codes import EncodedIds

if TYPE_CHECKING:
    import pyarrow as pa

# A group writes the names of its ids once more: large groups repeat fewer.
_GROUP_ROWS = 1 << 22
# Text is written as codes while the ids of a group fit into this.
_NAMES_BYTES = 1 << 26


def write_events(events: pl.DataFrame, ids: tuple[EncodedIds, EncodedIds], path: Path) -> None:
    """Write ``events``, whose id columns are ``ids``. Any Parquet reader reads text from them."""
    import pyarrow as pa
    from pyarrow import parquet

    encoded = {column.codes.name: column for column in ids}
    plain = events.clear().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    schema = pa.schema([_field(field, encoded) for field in plain])
    with parquet.ParquetWriter(
        path,
        schema,
        compression="lz4",
        use_dictionary=list(encoded),
        # The least and the greatest id of a group would take longer to find than all of it to write.
        write_statistics=[name for name in events.columns if name not in encoded],
        dictionary_pagesize_limit=_NAMES_BYTES,
        store_schema=False,
    ) as writer:
        for start in range(0, events.height, _GROUP_ROWS):
            rows = events.slice(start, _GROUP_ROWS)
            columns = [
                _dictionary(encoded[column.name], start)
                if column.name in encoded
                else column.to_arrow(compat_level=pl.CompatLevel.oldest())
                for column in rows.get_columns()
            ]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=_GROUP_ROWS)
        # The schema that other programs see: that ids are a dictionary is a matter of writing.
        schema_text = base64.b64encode(plain.serialize()).decode()
        writer.add_key_value_metadata({"ARROW:schema": schema_text})


def _field(field: pa.Field, encoded: dict[str, EncodedIds]) -> pa.Field:
    import pyarrow as pa

    return field.with_type(pa.dictionary(pa.int32(), pa.large_string())) if field.name in encoded else field


def _dictionary(column: EncodedIds, start: int) -> pa.DictionaryArray:
    """Return a group's ids with the names that it has."""
    import pyarrow as pa

    codes = column.codes.slice(start, _GROUP_ROWS)
    used = np.zeros(len(column.names), dtype=bool)
    used[codes.drop_nulls().to_numpy()] = True
    positions = pl.Series((np.cumsum(used) - 1).astype(np.int32))
    names = column.names.filter(used).to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.DictionaryArray.from_arrays(positions.gather(codes).to_arrow(), names)
