"""answers: short ones on request, and the list of those that did not help."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("conversation") as table:
        table.add_column(sa.Column("brief", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("unanswered_question") as table:
        table.add_column(sa.Column("faq", sa.String(), nullable=False, server_default=""))
