//! OpenID Connect relying party: begin a login, finish it, trust nothing in between.
