"""The tables of lists that are being imported: rows wait here, encrypted, until they are in the
files. What is decided is finished, whatever happens to the process that began it."""

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field

from jingxiaowei.store.columns import TableModel, core, moment, serial


class ListImport(TableModel, table=True):
    """表格导入 that is not finished. Before ``decided_at`` it is nothing yet and may be dropped;
    from then on every row of it gets into the files."""

    __tablename__ = "list_import"
    id: int | None = serial()
    officer_id: int = Field(sa_type=BigInteger)
    mark: str  # of the file, as the trail names it
    created_at: datetime = moment()
    decided_at: datetime | None = moment(default=None)
    leased_until: datetime | None = moment(default=None)  # somebody writes it until then
    noted: int = 0
    overtaken: int = 0  # tags that were not noted: somebody changed the file since


class ListPiece(TableModel, table=True):
    """Some judged rows of a list, encrypted; gone in the transaction that writes them."""

    __tablename__ = "list_piece"
    id: int | None = serial()
    import_id: int = Field(foreign_key="list_import.id", sa_type=BigInteger, index=True)
    body: bytes = Field(sa_type=LargeBinary)


LIST_IMPORT = core(ListImport)
LIST_PIECE = core(ListPiece)
