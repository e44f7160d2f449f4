"""ticket notes: what came of a ticket, in the words of whoever closed it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("ticket") as table:
        table.add_column(sa.Column("note", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("ticket") as table:
        table.drop_column("note")
