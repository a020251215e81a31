-- A customer's name as searches compare it, folded by the portal: both databases know the case of ASCII letters alone.
ALTER TABLE subscriptions ADD COLUMN customer_folded TEXT NOT NULL DEFAULT '';

-- A receiver that lets tries run into their time limit is left alone until then, and ever longer.
ALTER TABLE webhooks ADD COLUMN paused_until INTEGER;
ALTER TABLE webhooks ADD COLUMN silent_tries INTEGER NOT NULL DEFAULT 0;

-- Each webhook's messages are taken for themselves; those that were given up lie apart until they are forgotten.
DROP INDEX webhook_messages_due;
DROP INDEX webhook_messages_of_webhook;
CREATE INDEX webhook_messages_waiting ON webhook_messages (webhook_id, due_at) WHERE dead_at IS NULL;
CREATE INDEX webhook_messages_dead ON webhook_messages (webhook_id, dead_at) WHERE dead_at IS NOT NULL;
