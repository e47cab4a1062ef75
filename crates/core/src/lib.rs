//! Vestibule's words and pure rules: ids, time, secrets, states and events.
