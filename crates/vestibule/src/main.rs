//! Enterprise sign-in and provisioning: the server, and the face for embedding it.

fn main() {}
