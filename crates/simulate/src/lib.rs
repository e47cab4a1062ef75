//! A company, its directory and an app, simulated; they know Vestibule only over the wire.
