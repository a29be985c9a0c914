"""What happened, append-only: every version of every resource, who asked for what, and unique keys.

    resource_history     one row a version; deletions are versions with an empty body
    business_identifier  one row a prescription: the issuing system's identifier, for exactly-once intake
    audit_record         one row an access decision, refusals included

``resource_history.tx`` and ``last_updated`` are drawn together (see ``service/store.py``), so that a
reader who stops before the first one under way never passes an uncommitted neighbour.
Source: https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Sequence, Text
from sqlmodel import Field, SQLModel

from models.columns import TransactionId

SERVER_CLOCK = Sequence("server_clock", data_type=BigInteger, metadata=SQLModel.metadata)
"""The greatest instant handed out, in microseconds since 1970; it grows though clocks step back."""


class ResourceHistory(SQLModel, table=True):
    """One version of one resource, as it was answered."""

    __tablename__ = "resource_history"
    __table_args__ = (Index("resource_history_by_change", "resource_type", "last_updated", "seq"),)

    resource_type: str = Field(sa_column=Column(Text, primary_key=True))
    id: str = Field(sa_column=Column(Text, primary_key=True))
    version: int = Field(primary_key=True)
    tx: int = Field(sa_column=Column(TransactionId, nullable=False))
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    last_updated: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    method: str = Field(sa_column=Column(Text, nullable=False))
    patient: str | None = Field(default=None, sa_column=Column(Text))
    actor: str = Field(sa_column=Column(Text, nullable=False))
    body: str | None = Field(default=None, sa_column=Column(Text))


class BusinessIdentifier(SQLModel, table=True):
    """The one holder of an identifier that its issuing system promises to be unique (rule RX-16)."""

    __tablename__ = "business_identifier"

    resource_type: str = Field(sa_column=Column(Text, primary_key=True))
    system: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    id: str = Field(sa_column=Column(Text, nullable=False))
    version: int = Field(nullable=False)


class AuditRecord(SQLModel, table=True):
    """Who asked for what, and whether it was allowed. May hold PHI; never written to a log."""

    __tablename__ = "audit_record"

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    recorded: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    request_id: str = Field(sa_column=Column(Text, nullable=False))
    client_id: str = Field(sa_column=Column(Text, nullable=False))
    login: str | None = Field(default=None, sa_column=Column(Text))
    interaction: str = Field(sa_column=Column(Text, nullable=False))
    resource_type: str | None = Field(default=None, sa_column=Column(Text))
    resource_id: str | None = Field(default=None, sa_column=Column(Text))
    query: str | None = Field(default=None, sa_column=Column(Text))
    status: int = Field(nullable=False)
