"""A condition on a list of any length: one parameter, where IN takes one for each value and PostgreSQL has 65,535."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY


def is_listed(column: sa.Column[Any], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """Return whether a column has one of the values."""
    return column == sa.any_(sa.literal(list(values), ARRAY(column.type)))
