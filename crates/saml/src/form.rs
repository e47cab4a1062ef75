//! A response judged by its form alone, for whoever has no context at hand.

use crate::{Error, Response, response, structure};

impl Response {
    /// Judges what needs no trust: whether it is acceptable XML with every element in its place.
    ///
    /// A good form says nothing about who wrote it; [`Trust::verify`](crate::Trust::verify) does.
    pub fn check_form(&self) -> Result<(), Error> {
        structure::check_response(&response::parse(self.xml())?)
    }
}
