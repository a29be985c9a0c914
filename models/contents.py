"""Contents that are too large to stand in the row of their resource, such as a scanned letter.

    large_content    one row for each content of a resource; its versions share it

``fhir_<type>.body`` and ``resource_history.body`` hold a mark in its place: see ``service/contents.py``.
Source: https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


class LargeContent(SQLModel, table=True):
    """One content of one resource, as the text that stands between the quotes of its JSON string."""

    __tablename__ = "large_content"

    resource_type: str = Field(sa_column=Column(Text, primary_key=True))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    sha256: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    content: str = Field(sa_column=Column(Text, nullable=False))
