//! What refusals say, in French, by the English of the rule.
//!
//! As there, a sentence has neither capital nor full stop; `{}` is what stands between the first pair of backticks.

mod saml;

use std::borrow::Cow;

use saml::SAML;

/// The French of a refusal's sentence; none where the table lacks it.
pub(super) fn translate(english: &str) -> Option<Cow<'static, str>> {
    if let Some(french) = find(english) {
        return Some(Cow::Borrowed(french));
    }
    let (before, rest) = english.split_once('`')?;
    let (name, after) = rest.split_once('`')?;
    let french = find(&format!("{before}`{{}}`{after}"))?;
    Some(Cow::Owned(french.replace("{}", name)))
}

fn find(english: &str) -> Option<&'static str> {
    let known = [TITLES, REMEDIES, OPENID, SAML];
    let mut known = known.into_iter().flatten();
    known
        .find(|(known, _)| *known == english)
        .map(|(_, french)| *french)
}

#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    [TITLES, REMEDIES, OPENID, SAML].into_iter().flatten()
}

/// What happened.
const TITLES: &[(&str, &str)] = &[
    (
        "your identity provider's answer was refused",
        "la réponse de votre fournisseur d’identité a été refusée",
    ),
    (
        "this way of signing in is not set up correctly",
        "ce mode de connexion n’est pas configuré correctement",
    ),
    (
        "your identity provider and this way of signing in do not fit",
        "votre fournisseur d’identité et ce mode de connexion ne concordent pas",
    ),
    (
        "the answer came at the wrong time",
        "la réponse est arrivée au mauvais moment",
    ),
    (
        "your identity provider could not be reached",
        "votre fournisseur d’identité est injoignable",
    ),
    (
        "this sign-in cannot be continued",
        "cette connexion ne peut pas se poursuivre",
    ),
    (
        "this way of signing in does not say how people are recognised",
        "ce mode de connexion n’indique pas comment les personnes sont reconnues",
    ),
    (
        "your identity provider did not say who you are",
        "votre fournisseur d’identité n’a pas indiqué qui vous êtes",
    ),
    (
        "more than one account could be yours",
        "plusieurs comptes pourraient être le vôtre",
    ),
    (
        "your identity provider says that your address is not verified",
        "votre fournisseur d’identité indique que votre adresse n’est pas vérifiée",
    ),
    (
        "your identity provider does not say that your address is verified",
        "votre fournisseur d’identité n’indique pas que votre adresse est vérifiée",
    ),
    (
        "your address is not in a domain of this organization",
        "votre adresse n’appartient pas à un domaine de cette organisation",
    ),
    (
        "your account is not provisioned",
        "votre compte n’a pas été créé par l’annuaire",
    ),
    ("your account is deactivated", "votre compte est désactivé"),
    (
        "your organization does not allow passwords here",
        "votre organisation n’autorise pas les mots de passe ici",
    ),
    (
        "your organization demands encrypted answers of its identity provider",
        "votre organisation exige que son fournisseur d’identité chiffre ses réponses",
    ),
    (
        "your identity provider does not say that you signed in with a second factor",
        "votre fournisseur d’identité n’indique pas de connexion avec un second facteur",
    ),
    (
        "this account belongs to another identity",
        "ce compte appartient à une autre identité",
    ),
    (
        "an account with your name exists already",
        "un compte à votre nom existe déjà",
    ),
    (
        "this way of signing in does not say whose people it brings",
        "ce mode de connexion n’indique pas à quel annuaire appartiennent les personnes",
    ),
    (
        "this way of signing in was changed while you were signing in",
        "ce mode de connexion a été modifié pendant que vous vous connectiez",
    ),
    (
        "the application is no longer registered",
        "l’application n’est plus enregistrée",
    ),
    (
        "your identity provider's session is over already",
        "la session de votre fournisseur d’identité est déjà terminée",
    ),
    (
        "this way of signing in is not set up completely",
        "ce mode de connexion n’est pas entièrement configuré",
    ),
    (
        "your identity provider gives you another name at every sign-in",
        "votre fournisseur d’identité vous donne un autre nom à chaque connexion",
    ),
    (
        "your identity provider began this sign-in, and no application is set up for that",
        "votre fournisseur d’identité a lancé cette connexion, et aucune application n’est configurée pour cela",
    ),
    (
        "this answer of your identity provider was used before",
        "cette réponse de votre fournisseur d’identité a déjà été utilisée",
    ),
    (
        "your identity provider has ended this sign-in",
        "votre fournisseur d’identité a mis fin à cette connexion",
    ),
    (
        "your sign-in at the identity provider is too old",
        "votre connexion chez le fournisseur d’identité est trop ancienne",
    ),
    (
        "your identity provider has signed you out",
        "votre fournisseur d’identité vous a déconnecté",
    ),
    (
        "this sign-in began in another browser",
        "cette connexion a commencé dans un autre navigateur",
    ),
    ("this sign-in is over", "cette connexion est terminée"),
    (
        "the account is locked after ten wrong passwords in a row",
        "le compte est bloqué après dix mots de passe incorrects de suite",
    ),
    (
        "the name or the password is wrong",
        "le nom ou le mot de passe est incorrect",
    ),
    (
        "your organization has no way of signing in yet",
        "votre organisation n’a pas encore de mode de connexion",
    ),
];

/// What to do about a rule of ours.
const REMEDIES: &[(&str, &str)] = &[
    (
        "sign in through the company's identity provider; the IPSIE profile of the organization allows no other way",
        "connectez-vous par le fournisseur d’identité de l’entreprise ; le profil IPSIE de l’organisation n’autorise pas d’autre moyen",
    ),
    (
        "require encryption for the connection, and let the identity provider encrypt with the certificate in our metadata",
        "exigez le chiffrement pour la connexion, et faites chiffrer le fournisseur d’identité avec le certificat de nos métadonnées",
    ),
    (
        "require multi-factor authentication for this application, and let `amr`, or the authentication context class, say so",
        "exigez l’authentification multifacteur pour cette application, et faites-la indiquer par `amr` ou par la classe de contexte d’authentification",
    ),
    (
        "set `join` on the connection: one directory attribute and the claim that equals it",
        "définissez `join` sur la connexion\u{a0}: un attribut de l’annuaire et la revendication qui lui est égale",
    ),
    (
        "release the claim `{}` to this application, with one value",
        "transmettez la revendication `{}` à cette application, avec une seule valeur",
    ),
    (
        "make the attribute unique in the directory, or join on another one",
        "rendez l’attribut unique dans l’annuaire, ou choisissez-en un autre pour la jointure",
    ),
    (
        "verify the address at the identity provider, or join on a claim that is not an address",
        "faites vérifier l’adresse chez le fournisseur d’identité, ou choisissez pour la jointure une revendication qui n’est pas une adresse",
    ),
    (
        "let the identity provider send `{}` with the address, or join on a claim that is not an address",
        "faites transmettre `{}` avec l’adresse par le fournisseur d’identité, ou choisissez pour la jointure une revendication qui n’est pas une adresse",
    ),
    (
        "verify the domain for the organization, or join on a claim that is not an address",
        "faites vérifier le domaine pour l’organisation, ou choisissez pour la jointure une revendication qui n’est pas une adresse",
    ),
    (
        "assign the person to the application in the directory, so that it provisions the account",
        "attribuez l’application à la personne dans l’annuaire, afin que le compte soit créé",
    ),
    (
        "activate the account in the directory if the person should have access",
        "réactivez le compte dans l’annuaire si la personne doit avoir accès",
    ),
    (
        "if the person's identity at the provider was replaced, remove the old link of the user first",
        "si l’identité de la personne chez le fournisseur a été remplacée, supprimez d’abord l’ancien lien de l’utilisateur",
    ),
    (
        "join on the attribute that the existing account has, or remove it",
        "choisissez pour la jointure l’attribut que possède le compte existant, ou supprimez ce compte",
    ),
    (
        "set `directory_id` on the connection to one of the organization's directories",
        "définissez `directory_id` sur la connexion\u{a0}: l’un des annuaires de l’organisation",
    ),
    (
        "go back to the application and sign in again",
        "revenez à l’application et connectez-vous de nouveau",
    ),
    (
        "register the application again, then start from it",
        "enregistrez de nouveau l’application, puis repartez d’elle",
    ),
    ("sign in again", "connectez-vous de nouveau"),
    (
        "import the identity provider's metadata again",
        "importez de nouveau les métadonnées du fournisseur d’identité",
    ),
    (
        "configure a persistent or e-mail NameID at the identity provider, or join on an attribute (`attribute:NAME`)",
        "configurez chez le fournisseur d’identité un NameID persistant ou de type e-mail, ou choisissez un attribut pour la jointure (`attribute:NAME`)",
    ),
    (
        "set `default_application_id` on the connection to an application with an `initiate_login_uri`",
        "définissez `default_application_id` sur la connexion\u{a0}: une application qui a un `initiate_login_uri`",
    ),
    (
        "start again at the application; if you did not repeat anything, tell your IT team",
        "recommencez à partir de l’application\u{202f}; si vous n’avez rien répété, prévenez votre service informatique",
    ),
    (
        "start again at the application",
        "recommencez à partir de l’application",
    ),
    (
        "let the identity provider honor ForceAuthn for this application",
        "faites en sorte que le fournisseur d’identité respecte ForceAuthn pour cette application",
    ),
    (
        "start again in this browser; if you did not start a sign-in, close this page",
        "recommencez dans ce navigateur\u{202f}; si vous n’avez lancé aucune connexion, fermez cette page",
    ),
    (
        "wait a quarter of an hour, then try again",
        "attendez un quart d’heure, puis réessayez",
    ),
    ("try again", "réessayez"),
    (
        "activate a connection for the organization, or allow passwords in its policy",
        "activez une connexion pour l’organisation, ou autorisez les mots de passe dans sa politique",
    ),
];

/// What to do about a rule of OpenID Connect.
const OPENID: &[(&str, &str)] = &[
    (
        "assign the person to the application at the identity provider, then try again",
        "attribuez l’application à la personne chez le fournisseur d’identité, puis réessayez",
    ),
    (
        "compare the client id, the client secret and the redirect URI on both sides",
        "comparez l’identifiant du client, son secret et l’URI de redirection des deux côtés",
    ),
    (
        "open the issuer's discovery document from the server and check that the identity provider answers it",
        "ouvrez depuis le serveur le document de découverte de l’émetteur et vérifiez que c’est le fournisseur d’identité qui répond",
    ),
    (
        "create the application at the identity provider as an OpenID Connect application",
        "créez l’application chez le fournisseur d’identité comme application OpenID Connect",
    ),
    (
        "turn off ID-token encryption for this application at the identity provider",
        "désactivez chez le fournisseur d’identité le chiffrement du jeton d’identité pour cette application",
    ),
    (
        "do not repeat the login; report it to the identity provider, because the token may be forged",
        "ne répétez pas la connexion\u{202f}; signalez-la au fournisseur d’identité, car le jeton est peut-être falsifié",
    ),
    (
        "turn off the token extension at the identity provider",
        "désactivez l’extension de jeton chez le fournisseur d’identité",
    ),
    (
        "try again in a minute; if it repeats, compare the keys that the identity provider publishes",
        "réessayez dans une minute\u{202f}; si cela se reproduit, comparez les clés que publie le fournisseur d’identité",
    ),
    (
        "let the identity provider write the key id (`kid`) into its tokens",
        "faites inscrire par le fournisseur d’identité l’identifiant de clé (`kid`) dans ses jetons",
    ),
    (
        "let the identity provider send the claim in the ID token",
        "faites transmettre la revendication dans le jeton d’identité par le fournisseur d’identité",
    ),
    (
        "start the login again at the app",
        "recommencez la connexion à partir de l’application",
    ),
    (
        "start the login again at the app, not from a bookmark",
        "recommencez la connexion à partir de l’application, et non d’un signet",
    ),
    (
        "compare the client id in the connection with that of the application at the identity provider",
        "comparez l’identifiant du client dans la connexion avec celui de l’application chez le fournisseur d’identité",
    ),
    (
        "turn userinfo off for the connection, or repair it at the identity provider",
        "désactivez userinfo pour la connexion, ou corrigez-le chez le fournisseur d’identité",
    ),
    (
        "copy the issuer from the identity provider's discovery document, byte for byte",
        "recopiez l’émetteur depuis le document de découverte du fournisseur d’identité, octet par octet",
    ),
    (
        "let the identity provider send `iss` in its answer, as its metadata promises",
        "faites transmettre `iss` dans la réponse du fournisseur d’identité, comme ses métadonnées le promettent",
    ),
    (
        "let the identity provider honor `max_age` and `prompt=login`, then sign in again",
        "faites en sorte que le fournisseur d’identité respecte `max_age` et `prompt=login`, puis connectez-vous de nouveau",
    ),
    (
        "use an https URL without user info and fragment",
        "utilisez une URL https sans identifiants ni fragment",
    ),
    (
        "use the issuer of your tenant: https://login.microsoftonline.com/<tenant id>/v2.0",
        "utilisez l’émetteur de votre locataire\u{a0}: https://login.microsoftonline.com/<tenant id>/v2.0",
    ),
    (
        "this issuer is that of personal Microsoft accounts, which belong to no organization; use https://login.microsoftonline.com/<tenant id>/v2.0",
        "cet émetteur est celui des comptes Microsoft personnels, qui n’appartiennent à aucune organisation\u{202f}; utilisez https://login.microsoftonline.com/<tenant id>/v2.0",
    ),
    (
        "use https://<your Okta domain>",
        "utilisez https://<votre domaine Okta>",
    ),
    (
        "this is the address of the admin console; use it without -admin",
        "c’est l’adresse de la console d’administration\u{202f}; utilisez-la sans -admin",
    ),
    (
        "use https://<your Okta domain>, or https://<your Okta domain>/oauth2/<id> for a custom authorization server, without a slash at the end",
        "utilisez https://<votre domaine Okta>, ou https://<votre domaine Okta>/oauth2/<id> pour un serveur d’autorisation personnalisé, sans barre oblique finale",
    ),
    (
        "check that the issuer is that of an OpenID Connect provider",
        "vérifiez que l’émetteur est celui d’un fournisseur OpenID Connect",
    ),
    (
        "complete the settings of the connection",
        "complétez les paramètres de la connexion",
    ),
    (
        "let the identity provider sign ID tokens with RS256 or ES256",
        "faites signer les jetons d’identité par le fournisseur d’identité avec RS256 ou ES256",
    ),
    (
        "sign in with an account of the right tenant",
        "connectez-vous avec un compte du bon locataire",
    ),
    (
        "synchronize the clocks of the identity provider and of this server",
        "synchronisez les horloges du fournisseur d’identité et de ce serveur",
    ),
    (
        "check that the server can reach the identity provider and that its certificate is trusted",
        "vérifiez que le serveur peut joindre le fournisseur d’identité et que le certificat de celui-ci est approuvé",
    ),
    (
        "let the identity provider accept client assertions signed with PS256 or RS256, or use a client secret",
        "faites accepter par le fournisseur d’identité des assertions du client signées avec PS256 ou RS256, ou utilisez un secret",
    ),
    (
        "look up in the identity provider's log why its endpoint failed, then try again",
        "cherchez dans le journal du fournisseur d’identité pourquoi son adresse a échoué, puis réessayez",
    ),
    (
        "set `assertion_audience` of the connection to issuer, or let the identity provider have its endpoints on the issuer's host",
        "définissez `assertion_audience` de la connexion sur issuer, ou faites placer les adresses du fournisseur d’identité sur l’hôte de l’émetteur",
    ),
    (
        "make the identity provider's key endpoint (`jwks_uri`) reachable, then try again",
        "rendez joignable l’adresse des clés du fournisseur d’identité (`jwks_uri`), puis réessayez",
    ),
    (
        "nobody is trusted to revoke tokens of this connection's people",
        "personne n’est autorisé à révoquer les jetons des personnes de cette connexion",
    ),
    (
        "set the connection's signal source: the provider's issuer, and the client id that it names there",
        "définissez la source de signaux de la connexion : l’émetteur du fournisseur, et l’identifiant client qu’il y indique",
    ),
];
