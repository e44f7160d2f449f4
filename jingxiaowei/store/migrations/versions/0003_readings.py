"""readings: what was read from pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WAITING = "state = 'kept' AND read_at IS NULL"


def upgrade() -> None:
    with op.batch_alter_table('media', schema=None) as batch_op:
        batch_op.add_column(sa.Column('read_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('read_due', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('read_attempts', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('reading', sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column('unread', sa.String(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('hidden', sa.Integer(), server_default='0', nullable=False))
        batch_op.create_index('ix_media_unread', ['created_at'], unique=False, sqlite_where=sa.text(_WAITING), postgresql_where=sa.text(_WAITING))

    # Pictures from before there were readings were seen by a person: nobody reports them now.
    op.execute("UPDATE media SET read_at = created_at, unread = 'earlier' WHERE state = 'kept'")


def downgrade() -> None:
    with op.batch_alter_table('media', schema=None) as batch_op:
        batch_op.drop_index('ix_media_unread')
        for name in ('hidden', 'unread', 'reading', 'read_attempts', 'read_due', 'read_at'):
            batch_op.drop_column(name)
