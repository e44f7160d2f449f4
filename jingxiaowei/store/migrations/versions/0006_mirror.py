"""mirror: WeCom's corp tags, and which member has which resident as a contact."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('wecom_tag',
    sa.Column('slug', sa.String(), nullable=False),
    sa.Column('tag_id', sa.String(), nullable=False),
    sa.Column('name', sa.String(), nullable=False),
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('slug'),
    sa.UniqueConstraint('tag_id')
    )
    op.create_table('wecom_contact',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('userid', sa.String(), nullable=False),
    sa.Column('external', sa.LargeBinary(), nullable=True),
    sa.Column('identity_id', sa.String(length=32), nullable=True),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('base', sa.JSON(), nullable=False),
    sa.Column('mirrored_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('offer', sa.String(length=20), nullable=False),
    sa.Column('offer_due', sa.DateTime(timezone=True), nullable=True),
    sa.Column('offer_attempts', sa.Integer(), nullable=False),
    sa.Column('card', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['identity_id'], ['channel_identity.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('card'),
    sqlite_with_rowid=False
    )
    op.create_index('ix_wecom_contact_userid', 'wecom_contact', ['userid'])
    op.create_index('ix_wecom_contact_identity_id', 'wecom_contact', ['identity_id'])
    op.create_index('ix_wecom_contact_due', 'wecom_contact', ['due_at'],
                    sqlite_where=sa.text('due_at IS NOT NULL'),
                    postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index('ix_wecom_contact_offer', 'wecom_contact', ['offer_due'],
                    sqlite_where=sa.text("offer = 'pending'"),
                    postgresql_where=sa.text("offer = 'pending'"))
