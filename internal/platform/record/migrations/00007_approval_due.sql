-- +goose Up

-- Finds the answers that should have come, or should come soon.
CREATE INDEX record_approval_step_due ON record_approval_step (state, due);
