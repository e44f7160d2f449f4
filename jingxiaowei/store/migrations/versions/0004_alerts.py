"""alerts: evidence, entities, cases, notices to officers, sign-ins to the console."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("conversation") as table:
        table.add_column(sa.Column("traces", sa.LargeBinary(), nullable=True))
    op.create_table('alert_case',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('scam_type', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('raised_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_table('sign_in_lock',
    sa.Column('key', sa.String(length=32), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('last_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_table('alert',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('conversation_id', sa.String(length=32), nullable=False),
    sa.Column('subject', sa.String(length=32), nullable=False),
    sa.Column('scam_type', sa.String(), nullable=False),
    sa.Column('area', sa.String(), nullable=False),
    sa.Column('state', sa.Enum('new', 'claimed', 'advised', 'visited', 'closed', name='alertstate', native_enum=False, length=20), nullable=False),
    sa.Column('specimen', sa.String(), nullable=False),
    sa.Column('stage', sa.String(), nullable=False),
    sa.Column('next_stage', sa.String(), nullable=False),
    sa.Column('score', sa.Float(), nullable=False),
    sa.Column('transfer', sa.String(), nullable=False),
    sa.Column('transfer_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('amount', sa.BigInteger(), nullable=True),
    sa.Column('forwarded_by', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('heard_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('claimed_by', sa.BigInteger(), nullable=True),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('claim_due', sa.DateTime(timezone=True), nullable=True),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('silence_due', sa.DateTime(timezone=True), nullable=True),
    sa.Column('silence', sa.Integer(), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_by', sa.BigInteger(), nullable=True),
    sa.Column('verdict', sa.Enum('attempt', 'lost', 'false_alarm', 'drill', 'other', name='alertverdict', native_enum=False, length=20), nullable=True),
    sa.Column('lost_pending', sa.Boolean(), nullable=False),
    sa.Column('prevented', sa.BigInteger(), nullable=True),
    sa.Column('loss', sa.BigInteger(), nullable=True),
    sa.Column('note', sa.LargeBinary(), nullable=True),
    sa.Column('case_id', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['area'], ['area.slug'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_case_id'), ['case_id'], unique=False)
        batch_op.create_index('ix_alert_closed_at', ['closed_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_alert_conversation_id'), ['conversation_id'], unique=False)
        batch_op.create_index('ix_alert_open', ['id'], unique=False, sqlite_where=sa.text("state <> 'closed'"), postgresql_where=sa.text("state <> 'closed'"))
        batch_op.create_index('uq_alert_open', ['conversation_id', 'subject', 'scam_type'], unique=True, sqlite_where=sa.text("state <> 'closed'"), postgresql_where=sa.text("state <> 'closed'"))

    op.create_table('alert_band',
    sa.Column('hash', sa.String(length=32), nullable=False),
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.PrimaryKeyConstraint('hash', 'alert_id'),
    sqlite_with_rowid=False
    )
    with op.batch_alter_table('alert_band', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_band_alert_id'), ['alert_id'], unique=False)

    op.create_table('alert_contact',
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.PrimaryKeyConstraint('alert_id')
    )
    op.create_table('alert_entity',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('hash', sa.String(length=32), nullable=False),
    sa.Column('value', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('alert_id', 'kind', 'hash')
    )
    with op.batch_alter_table('alert_entity', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_entity_hash'), ['hash'], unique=False)

    op.create_table('alert_event',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('alert_event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_event_alert_id'), ['alert_id'], unique=False)

    op.create_table('alert_evidence',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.Column('inbox_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('score', sa.Float(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('sketch', sa.LargeBinary(), nullable=False),
    sa.Column('shingles', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('inbox_id')
    )
    with op.batch_alter_table('alert_evidence', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_evidence_alert_id'), ['alert_id'], unique=False)

    op.create_table('alert_receipt',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('batch', sa.String(length=32), nullable=False),
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.Column('conversation_id', sa.String(length=32), nullable=False),
    sa.Column('outbox_key', sa.String(length=32), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('batch', 'conversation_id')
    )
    with op.batch_alter_table('alert_receipt', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_receipt_alert_id'), ['alert_id'], unique=False)

    op.create_table('console_session',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['officer_id'], ['officer.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_console_session_officer_id'), ['officer_id'], unique=False)

    op.create_table('notice',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.String(length=32), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=False),
    sa.Column('alert_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('state', sa.Enum('pending', 'sent', 'refused', 'dropped', name='noticestate', native_enum=False, length=20), nullable=False),
    sa.Column('reason', sa.String(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=False),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('response_code', sa.String(), nullable=False),
    sa.Column('outdated', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['alert_id'], ['alert.id'], ),
    sa.ForeignKeyConstraint(['officer_id'], ['officer.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('key')
    )
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_notice_alert_id'), ['alert_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_notice_card'), ['card'], unique=False)
        batch_op.create_index(batch_op.f('ix_notice_officer_id'), ['officer_id'], unique=False)
        batch_op.create_index('ix_notice_outdated', ['id'], unique=False, sqlite_where=sa.text('outdated'), postgresql_where=sa.text('outdated'))
        batch_op.create_index('ix_notice_waiting', ['id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))

    op.create_table('one_time_entry',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('officer_id', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['officer_id'], ['officer.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_outbox_waiting'), sqlite_where=sa.text("state = 'pending'"))
        batch_op.create_index('ix_outbox_waiting', [sa.literal_column('urgent DESC'), 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))



def downgrade() -> None:
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.drop_index('ix_outbox_waiting', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.create_index(batch_op.f('ix_outbox_waiting'), ['urgent', 'id'], unique=False, sqlite_where=sa.text("state = 'pending'"))

    op.drop_table('one_time_entry')
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.drop_index('ix_notice_waiting', sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'"))
        batch_op.drop_index('ix_notice_outdated', sqlite_where=sa.text('outdated'), postgresql_where=sa.text('outdated'))
        batch_op.drop_index(batch_op.f('ix_notice_officer_id'))
        batch_op.drop_index(batch_op.f('ix_notice_card'))
        batch_op.drop_index(batch_op.f('ix_notice_alert_id'))

    op.drop_table('notice')
    with op.batch_alter_table('console_session', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_console_session_officer_id'))

    op.drop_table('console_session')
    with op.batch_alter_table('alert_receipt', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_receipt_alert_id'))

    op.drop_table('alert_receipt')
    with op.batch_alter_table('alert_evidence', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_evidence_alert_id'))

    op.drop_table('alert_evidence')
    with op.batch_alter_table('alert_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_event_alert_id'))

    op.drop_table('alert_event')
    with op.batch_alter_table('alert_entity', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_entity_hash'))

    op.drop_table('alert_entity')
    op.drop_table('alert_contact')
    with op.batch_alter_table('alert_band', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_band_alert_id'))

    op.drop_table('alert_band')
    with op.batch_alter_table('alert', schema=None) as batch_op:
        batch_op.drop_index('uq_alert_open', sqlite_where=sa.text("state <> 'closed'"), postgresql_where=sa.text("state <> 'closed'"))
        batch_op.drop_index('ix_alert_open', sqlite_where=sa.text("state <> 'closed'"), postgresql_where=sa.text("state <> 'closed'"))
        batch_op.drop_index(batch_op.f('ix_alert_conversation_id'))
        batch_op.drop_index('ix_alert_closed_at')
        batch_op.drop_index(batch_op.f('ix_alert_case_id'))

    op.drop_table('alert')
    op.drop_table('sign_in_lock')
    op.drop_table('alert_case')
