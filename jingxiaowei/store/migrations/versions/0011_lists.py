"""lists: judged rows wait in the database until all of them are in the files."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _serial() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("id", kind, primary_key=True)


def upgrade() -> None:
    op.create_table(
        "list_import",
        _serial(),
        sa.Column("officer_id", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("noted", sa.Integer(), nullable=False),
        sa.Column("overtaken", sa.Integer(), nullable=False),
    )
    op.create_table(
        "list_piece",
        _serial(),
        sa.Column(
            "import_id",
            sa.BigInteger(),
            sa.ForeignKey("list_import.id"),
            nullable=False,
            index=True,
        ),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("list_piece")
    op.drop_table("list_import")
