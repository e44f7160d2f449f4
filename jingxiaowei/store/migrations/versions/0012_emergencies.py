"""emergencies: officers' phones are told of an emergency's ticket as they are of an alert."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNCLAIMED = sa.text("claim_due IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("ticket") as table:
        table.add_column(sa.Column("line", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("claim_due", sa.DateTime(timezone=True), nullable=True))
        table.create_index(
            "ix_ticket_unclaimed",
            ["claim_due"],
            sqlite_where=_UNCLAIMED,
            postgresql_where=_UNCLAIMED,
        )
    with op.batch_alter_table("notice") as table:
        table.alter_column("alert_id", existing_type=_NUMBER, nullable=True)
        table.add_column(sa.Column("ticket_id", sa.BigInteger(), nullable=True))
        table.create_foreign_key(
            "fk_notice_ticket", "ticket", ["ticket_id"], ["id"], ondelete="CASCADE"
        )
        table.create_check_constraint(
            "ck_notice_of_one", "(alert_id IS NULL) <> (ticket_id IS NULL)"
        )
        table.create_index("ix_notice_ticket_id", ["ticket_id"])


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM notice WHERE alert_id IS NULL"))
    with op.batch_alter_table("notice") as table:
        table.drop_index("ix_notice_ticket_id")
        table.drop_constraint("ck_notice_of_one", type_="check")
        table.drop_constraint("fk_notice_ticket", type_="foreignkey")
        table.drop_column("ticket_id")
        table.alter_column("alert_id", existing_type=_NUMBER, nullable=False)
    with op.batch_alter_table("ticket") as table:
        table.drop_index("ix_ticket_unclaimed")
        table.drop_column("claim_due")
        table.drop_column("line")
