//! A small app that signs its users in through Vestibule.

fn main() {}
