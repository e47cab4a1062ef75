//! The HTTP-POST binding (SAML bindings §3.5), as data: the page with the form is the host's.

/// A form that the browser posts to the identity provider.
///
/// The host writes it with every value escaped, sends it by a script of its own or a button, and lets its content
/// security policy name the origin of [`PostForm::action`] in `form-action`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostForm {
    /// Where the form goes: an absolute `https` address, or `http` of the own machine.
    pub action: String,
    /// The name of the field with the message: `SAMLRequest` or `SAMLResponse`.
    pub parameter: &'static str,
    /// The value of that field: the message in base64.
    pub message: String,
    /// The value of the field `RelayState`; without one there is no such field.
    pub relay_state: Option<String>,
}
