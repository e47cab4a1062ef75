//! The second leg: from the browser's answer to a person.

use crate::callback::Answer;
use crate::{Authentication, Callback, Connection, Error, HttpClient, Pending};

impl Connection {
    /// Finishes a login: checks who answered, exchanges the code, judges the ID token.
    ///
    /// The host must have used `pending` up before it calls, so that no answer counts twice.
    /// Nothing is sent to the identity provider before the answer has been matched with the login and the issuer.
    pub async fn finish(
        &self,
        pending: &Pending,
        callback: &Callback,
        client: &dyn HttpClient,
        now: i64,
    ) -> Result<Authentication, Error> {
        self.check_pending(pending, callback)?;
        self.check_answering_issuer(callback)?;
        let code = match &callback.answer {
            Answer::Code(code) => code,
            Answer::Refusal { code, description } => {
                return Err(Error::Refused {
                    code: code.clone(),
                    description: description.clone(),
                });
            }
        };
        let answer = self.exchange(code, pending, client, now).await?;
        let id_token = answer.id_token.as_ref().ok_or(Error::IdTokenMissing)?;
        let access_token = answer.access_token.expose();
        let mut authentication = self
            .judge(id_token.expose(), access_token, pending, client, now)
            .await?;
        self.add_userinfo(&mut authentication, access_token, client, now)
            .await?;
        Ok(authentication)
    }

    fn check_pending(&self, pending: &Pending, callback: &Callback) -> Result<(), Error> {
        if callback.state() != pending.state {
            return Err(Error::StateMismatch);
        }
        if pending.issuer != self.settings().issuer
            || pending.client_id != self.settings().client_id
        {
            return Err(Error::PendingMismatch);
        }
        Ok(())
    }

    /// RFC 9207 §2.4: compare if present, insist if promised, on errors too.
    fn check_answering_issuer(&self, callback: &Callback) -> Result<(), Error> {
        match &callback.issuer {
            Some(issuer) if self.is_own_issuer(issuer) => Ok(()),
            Some(issuer) => Err(Error::MixUp {
                wanted: self.settings().issuer.clone(),
                got: issuer.clone(),
            }),
            None if self
                .metadata()
                .authorization_response_iss_parameter_supported =>
            {
                Err(Error::IssuerMissing)
            }
            None => Ok(()),
        }
    }
}
