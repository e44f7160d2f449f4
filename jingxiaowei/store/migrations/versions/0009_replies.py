"""replies: what officers told residents, and whether it arrived."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "officer_reply",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
        ),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("about_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column(
            "resident_id", sa.String(32), sa.ForeignKey("resident.id"), nullable=False, index=True
        ),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.Column("outbox_key", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("officer_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("called_by", sa.BigInteger(), nullable=True),
    )


def downgrade() -> None:
    op.drop_table("officer_reply")
