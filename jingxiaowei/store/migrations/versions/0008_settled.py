"""settled wording: sentences that an officer closed as no fraud, by their fingerprints."""

import sqlalchemy as sa
from alembic import op

from jingxiaowei.store.tables import UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "settled_wording",
        sa.Column("mark", sa.String(length=16), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("at", UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"]),
        sa.PrimaryKeyConstraint("mark", "alert_id"),
    )
    op.create_index("ix_settled_wording_alert_id", "settled_wording", ["alert_id"])


def downgrade() -> None:
    op.drop_table("settled_wording")
