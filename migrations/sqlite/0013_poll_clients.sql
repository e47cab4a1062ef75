-- Who asks for the access tokens of polls, where a transmitter gives them out itself (RFC 6749 §4.4).
ALTER TABLE signal_sources ADD COLUMN poll_token_endpoint TEXT;
ALTER TABLE signal_sources ADD COLUMN poll_client_id TEXT;
ALTER TABLE signal_sources ADD COLUMN poll_client_secret_sealed BLOB;
ALTER TABLE signal_sources ADD COLUMN poll_scope TEXT;
