//! Logout tokens, security event tokens and signed webhooks, without I/O.
