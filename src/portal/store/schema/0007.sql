-- What an environment used, as its requests tell it, beside what is uploaded.

-- By which road the figures came: 'report', 'online', 'courier'.
ALTER TABLE usage_reports ADD COLUMN road TEXT NOT NULL DEFAULT 'report';
-- What was used when they were measured, by limit; null in a report, which has peaks alone.
ALTER TABLE usage_reports ADD COLUMN used TEXT;
