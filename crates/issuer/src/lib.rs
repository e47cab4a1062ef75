//! The OpenID Provider's messages, tokens and keys, without I/O.
