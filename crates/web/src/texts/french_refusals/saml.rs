/// What to do about a rule of SAML.
pub(super) const SAML: &[(&str, &str)] = &[
    (
        "import the identity provider's metadata, or paste its signing certificate",
        "importez les métadonnées du fournisseur d’identité, ou collez son certificat de signature",
    ),
    (
        "send fewer group or role values: a filter on the group claim at the identity provider",
        "envoyez moins de groupes ou de rôles\u{a0}: filtrez l’attribut des groupes chez le fournisseur d’identité",
    ),
    (
        "start again at the application; if it repeats, something between the identity provider and here changes the form",
        "recommencez à partir de l’application\u{202f}; si cela se reproduit, quelque chose modifie le formulaire entre le fournisseur d’identité et ce service",
    ),
    (
        "no identity provider sends this by itself; look at proxies and custom templates, and report it as a possible attack",
        "aucun fournisseur d’identité n’envoie cela de lui-même\u{202f}; examinez les serveurs mandataires et les modèles personnalisés, et signalez-le comme une attaque possible",
    ),
    (
        "point the identity provider's assertion consumer service at this address, and nothing else",
        "dirigez vers cette adresse l’«\u{a0}assertion consumer service\u{a0}» du fournisseur d’identité, et rien d’autre",
    ),
    (
        "configure the application at the identity provider for SAML 2.0",
        "configurez l’application pour SAML 2.0 chez le fournisseur d’identité",
    ),
    (
        "no identity provider sends this by itself; report it as a possible attack",
        "aucun fournisseur d’identité n’envoie cela de lui-même\u{202f}; signalez-le comme une attaque possible",
    ),
    (
        "look at the status and the identity provider's log; often the person is not assigned to the application",
        "consultez le statut et le journal du fournisseur d’identité\u{202f}; souvent, l’application n’est pas attribuée à la personne",
    ),
    (
        "configure the identity provider to send exactly one assertion",
        "configurez le fournisseur d’identité pour qu’il envoie exactement une assertion",
    ),
    (
        "sign with an enveloped signature over the element's own ID, as every standard product does",
        "signez par une signature enveloppée portant sur l’ID de l’élément lui-même, comme le fait tout produit standard",
    ),
    (
        "sign with exclusive canonicalization; inclusive can be allowed on the connection",
        "signez avec la canonicalisation exclusive\u{202f}; l’inclusive peut être autorisée sur la connexion",
    ),
    (
        "sign with RSA-SHA256 or ECDSA-SHA256; SHA-1 can be allowed on the connection for a while",
        "signez avec RSA-SHA256 ou ECDSA-SHA256\u{202f}; SHA-1 peut être autorisé sur la connexion pour un temps",
    ),
    (
        "import the identity provider's current metadata: its signing key has changed",
        "importez les métadonnées actuelles du fournisseur d’identité\u{a0}: sa clé de signature a changé",
    ),
    (
        "import the identity provider's current metadata: its signing certificate has probably been renewed",
        "importez les métadonnées actuelles du fournisseur d’identité\u{a0}: son certificat de signature a sans doute été renouvelé",
    ),
    (
        "look for a proxy or a form handler that rewrites the message; report it as a possible attack if there is none",
        "cherchez un serveur mandataire ou un traitement de formulaire qui réécrit le message\u{202f}; s’il n’y en a pas, signalez-le comme une attaque possible",
    ),
    (
        "switch on signing of the response or of the assertion at the identity provider",
        "activez chez le fournisseur d’identité la signature de la réponse ou de l’assertion",
    ),
    (
        "upload this connection's metadata at the identity provider and switch on encryption, or stop demanding it",
        "déposez les métadonnées de cette connexion chez le fournisseur d’identité et activez le chiffrement, ou cessez de l’exiger",
    ),
    (
        "switch on encryption on the connection, or switch it off at the identity provider",
        "activez le chiffrement sur la connexion, ou désactivez-le chez le fournisseur d’identité",
    ),
    (
        "encrypt with AES-GCM or AES-CBC (128 or 256) and RSA-OAEP",
        "chiffrez avec AES-GCM ou AES-CBC (128 ou 256) et RSA-OAEP",
    ),
    (
        "import this connection's current metadata at the identity provider: it encrypts for another key",
        "importez les métadonnées actuelles de cette connexion chez le fournisseur d’identité\u{a0}: il chiffre pour une autre clé",
    ),
    (
        "compare the entity ID of the identity provider on both sides, character by character",
        "comparez l’identifiant d’entité (entity ID) du fournisseur d’identité des deux côtés, caractère par caractère",
    ),
    (
        "set the assertion consumer service (ACS, reply or single sign-on URL) at the identity provider to the one wanted",
        "définissez chez le fournisseur d’identité l’«\u{a0}assertion consumer service\u{a0}» attendu (ACS, URL de réponse ou d’authentification unique)",
    ),
    (
        "configure exactly one NameID for the application at the identity provider",
        "configurez exactement un NameID pour l’application chez le fournisseur d’identité",
    ),
    (
        "configure the web browser single sign-on profile at the identity provider",
        "configurez chez le fournisseur d’identité le profil d’authentification unique par navigateur (Web Browser SSO)",
    ),
    (
        "synchronize the clocks; else sign in again",
        "synchronisez les horloges\u{202f}; sinon, connectez-vous de nouveau",
    ),
    (
        "synchronize the clocks: the identity provider's is ahead",
        "synchronisez les horloges\u{a0}: celle du fournisseur d’identité avance",
    ),
    (
        "start again at the application, in one browser window",
        "recommencez à partir de l’application, dans une seule fenêtre du navigateur",
    ),
    (
        "start at the application, or allow logins that begin at the identity provider on the connection",
        "partez de l’application, ou autorisez sur la connexion les connexions lancées par le fournisseur d’identité",
    ),
    (
        "set the audience (entity ID, SP entity ID or identifier) at the identity provider to the one wanted",
        "définissez chez le fournisseur d’identité l’audience attendue (entity ID, identifiant du SP)",
    ),
    (
        "remove the condition at the identity provider",
        "supprimez la condition chez le fournisseur d’identité",
    ),
    (
        "sign in again; if it repeats, synchronize the clocks",
        "connectez-vous de nouveau\u{202f}; si cela se reproduit, synchronisez les horloges",
    ),
    (
        "no identity provider sends this by itself; look at custom templates",
        "aucun fournisseur d’identité n’envoie cela de lui-même\u{202f}; examinez les modèles personnalisés",
    ),
    (
        "compare what was got with the identity provider's settings; whoever runs this server can leave the decision to one verifier",
        "comparez ce qui a été reçu avec les paramètres du fournisseur d’identité\u{202f}; la personne qui gère ce serveur peut laisser la décision à un seul vérificateur",
    ),
    (
        "start again; if it repeats, something between the identity provider and here changes the address",
        "recommencez\u{202f}; si cela se reproduit, quelque chose modifie l’adresse entre le fournisseur d’identité et ce service",
    ),
    (
        "set the single logout service (SLO or logout URL) at the identity provider to the one wanted",
        "définissez chez le fournisseur d’identité le service de déconnexion unique attendu (SLO, URL de déconnexion)",
    ),
    (
        "synchronize the clocks; else sign out again",
        "synchronisez les horloges\u{202f}; sinon, déconnectez-vous de nouveau",
    ),
    (
        "configure logout at the identity provider to name the person as the login did",
        "configurez la déconnexion chez le fournisseur d’identité pour qu’elle nomme la personne comme la connexion l’a fait",
    ),
    (
        "sign out again, in one browser window",
        "déconnectez-vous de nouveau, dans une seule fenêtre du navigateur",
    ),
    (
        "look at the status and the identity provider's log; the session there may have ended before",
        "consultez le statut et le journal du fournisseur d’identité\u{202f}; la session s’y est peut-être terminée auparavant",
    ),
    (
        "give the metadata of the one identity provider instead of a whole federation's",
        "donnez les métadonnées du seul fournisseur d’identité, et non celles de toute une fédération",
    ),
    (
        "download the file again and upload it unchanged; a page that a browser shows is not the file",
        "téléchargez de nouveau le fichier et déposez-le tel quel\u{202f}; la page qu’affiche un navigateur n’est pas le fichier",
    ),
    (
        "take the identity provider's own metadata, not this service provider's",
        "prenez les métadonnées du fournisseur d’identité, et non celles de ce fournisseur de service",
    ),
    (
        "compare the entity ID with the one in the metadata, character by character",
        "comparez l’identifiant d’entité (entity ID) avec celui des métadonnées, caractère par caractère",
    ),
    (
        "choose one by its entity ID",
        "choisissez-en un par son identifiant d’entité (entity ID)",
    ),
    (
        "switch on SAML 2.0 at the identity provider",
        "activez SAML 2.0 chez le fournisseur d’identité",
    ),
    (
        "download the metadata again",
        "téléchargez de nouveau les métadonnées",
    ),
    (
        "use absolute https addresses at the identity provider",
        "utilisez des adresses https absolues chez le fournisseur d’identité",
    ),
    (
        "sign at the identity provider with an RSA key of 2048 bits or more, or with P-256 or P-384",
        "signez chez le fournisseur d’identité avec une clé RSA de 2048 bits ou plus, ou avec P-256 ou P-384",
    ),
];
