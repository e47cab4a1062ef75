//! What is told after something happened: logout tokens, security event tokens and signed webhooks, without I/O.
//!
//! The host keeps the outbox, reads the clock, signs JWTs with its own keys and speaks HTTP.
//! Times are seconds since the Unix epoch as `i64`.
//!
//! ```
//! use vestibule_signals::retry::{Next, WEBHOOK};
//! use vestibule_signals::webhook::{Received, WebhookKeys, WebhookSecret};
//!
//! let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
//! let keys = WebhookKeys::new(secret);
//! let body = br#"{"test": 2432232314}"#;
//! let headers = keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)?;
//! assert_eq!(headers.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
//! keys.verify(&Received::from(&headers), body, 1_614_265_340)?;
//! assert_eq!(WEBHOOK.after(1, 0), Next::RetryIn(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod event_token;
pub mod logout_token;
pub mod retry;
pub mod stream;
pub mod subject;
pub mod webhook;
