//! Before `:` and inside quotation marks stands a no-break space, before `;`, `!` and `?` a narrow one.

use super::{
    AccountsTexts, Acting, Actors, Around, BreakGlassTexts, ChooseTexts, Common,
    ConfirmLogoutTexts, ConsentTexts, Explained, ForwardTexts, LoginTexts, PasswordTexts,
    RefusedTexts, SignedInTexts, SignedOutTexts, Texts, Troubles,
};

const WRONG_REQUEST: &str = "L’application a envoyé une demande incorrecte";
const WRONG_LOGOUT: &str = "L’application a envoyé une demande de déconnexion incorrecte";
const SHOW_APPLICATION: &str = "Déconnectez-vous dans l’application, ou transmettez le contenu de cette page à la personne qui la gère.";

pub(super) const TEXTS: Texts = Texts {
    common: Common {
        continue_to: Around::new("pour accéder à ", ""),
        not_you: "Ce n’est pas vous\u{202f}?",
        continue_: "Continuer",
        sign_in: "Se connecter",
        sign_out: "Se déconnecter",
        next_step: "Que faire maintenant",
        reference: "Référence",
    },
    login: LoginTexts {
        title: "Connexion",
        lead: "avec le compte de votre organisation",
        email: "Adresse e-mail professionnelle",
        placeholder: "vous@entreprise.fr",
        note: "Votre adresse e-mail vous conduit à la page de connexion de votre organisation.",
        unknown_address: "Aucune organisation n’utilise cette adresse. Vérifiez l’orthographe, ou demandez à votre service informatique si le domaine est configuré.",
    },
    password: PasswordTexts {
        title: "Saisissez votre mot de passe",
        password: "Mot de passe",
        wrong: "Le nom ou le mot de passe est incorrect. Après de nombreux essais infructueux, attendez un quart d’heure.",
        too_many: "Trop d’essais. Attendez un quart d’heure, puis réessayez.",
    },
    break_glass: BreakGlassTexts {
        title: "Connexion de secours",
        lead: "Pour le cas où la connexion habituelle de votre organisation est en panne.",
        note: "Le lien ne sert qu’une fois, et cette connexion dure au plus une heure. Elle est enregistrée, et les responsables en sont informés.",
    },
    choose: ChooseTexts {
        title: "Choisissez comment vous connecter",
    },
    accounts: AccountsTexts {
        title: "Choisissez un compte",
        another: "Utiliser un autre compte",
    },
    consent: ConsentTexts {
        title: Around::new("Autoriser ", "\u{202f}?"),
        at: ", sur ",
        not_run_by: Around::new(", n’est pas gérée par ", ". "),
        asks: "Cette application demande à connaître\u{a0}:",
        openid: "Qui vous êtes, et à quelle organisation vous appartenez",
        profile: "Votre nom et votre nom d’utilisateur",
        email: "Votre adresse e-mail",
        groups: "Les groupes dont vous êtes membre",
        roles: "Vos rôles",
        offline_access: "Tout cela aussi lorsque vous ne l’utilisez pas",
        claims: "D’autres attributs vous concernant\u{a0}:",
        allow: "Autoriser",
        deny: "Ne pas autoriser",
    },
    forward: ForwardTexts {
        to_provider: "Vers votre fournisseur d’identité",
        to_application: "Retour à l’application",
        lead: "Votre navigateur est en route. Si rien ne se passe, appuyez sur le bouton.",
    },
    signed_in: SignedInTexts {
        title: "Connexion réussie",
        lead: "Ouvrez une application de votre organisation\u{a0}: elle vous laisse entrer sans rien redemander.",
    },
    confirm_logout: ConfirmLogoutTexts {
        title: "Se déconnecter\u{202f}?",
        asked: Around::new("", " demande à vous déconnecter. "),
        lead: "Cela met fin à votre session ici et dans toutes les applications que vous avez ouvertes avec elle.",
    },
    signed_out: SignedOutTexts {
        title: "Déconnexion effectuée",
        lead: "Votre session ici est terminée, et les applications que vous avez ouvertes avec elle en sont averties.",
        again: "Se reconnecter",
        note: "Sur un ordinateur partagé, déconnectez-vous aussi du compte de votre organisation et fermez le navigateur.",
    },
    refused: RefusedTexts {
        title: "La connexion a été refusée",
        who: "Qui doit agir\u{a0}:",
        try_again: "Réessayer",
        details: "Détails pour votre administrateur",
        rule: "Règle",
        wanted: "Attendu",
        got: "Reçu",
        time: "Heure",
    },
    actors: Actors {
        person: Acting {
            who: "vous",
            show: "",
        },
        identity_provider: Acting {
            who: "le service informatique de votre entreprise, chez le fournisseur d’identité",
            show: "Montrez cette page au service informatique de votre entreprise, qui gère le fournisseur d’identité.",
        },
        directory: Acting {
            who: "le service informatique de votre entreprise, dans l’annuaire",
            show: "Montrez cette page au service informatique de votre entreprise, qui gère l’annuaire.",
        },
        application: Acting {
            who: "la personne qui gère l’application",
            show: "Montrez cette page à la personne qui gère l’application.",
        },
        administrator: Acting {
            who: "la personne qui a configuré ce mode de connexion",
            show: "Montrez cette page à la personne qui a configuré ce mode de connexion.",
        },
        network: Acting {
            who: "la personne qui gère ce service, si cela persiste",
            show: "Si cela persiste, montrez cette page à la personne qui gère ce service.",
        },
    },
    troubles: Troubles {
        failed: Explained {
            title: "Une erreur s’est produite ici",
            explanation: "Vous n’y êtes pour rien. Rien n’a été modifié.",
            next_step: "Réessayez dans un instant. Si cela se reproduit, indiquez à la personne qui gère ce service l’heure à laquelle vous avez vu cette page.",
        },
        busy: Explained {
            title: "Le service est très sollicité",
            explanation: "Vous n’y êtes pour rien. Rien n’a été modifié.",
            next_step: "Réessayez dans un instant.",
        },
        gone: Explained {
            title: "Cette connexion est terminée",
            explanation: "Elle a déjà abouti, elle a duré plus de quinze minutes, ou elle a commencé dans un autre navigateur.",
            next_step: "Revenez à l’application et connectez-vous de nouveau.",
        },
        too_many: Explained {
            title: "Trop de connexions refusées",
            explanation: "Trop de connexions ont été refusées en une minute depuis l’endroit où vous êtes.",
            next_step: "Attendez une minute, puis revenez à l’application et connectez-vous de nouveau.",
        },
        not_found: Explained {
            title: "Cette page n’existe pas",
            explanation: "L’adresse est mal saisie, ou le lien qui y mène n’est plus à jour.",
            next_step: "Revenez à l’application et connectez-vous à partir de là.",
        },
        unreadable: Explained {
            title: "Cette demande est incompréhensible",
            explanation: "Aucune de nos pages n’envoie une telle demande. Rien n’a été modifié.",
            next_step: "Revenez à l’application et connectez-vous de nouveau.",
        },
        too_large: Explained {
            title: "Cette demande est trop volumineuse",
            explanation: "Plus de données ont été envoyées que cette page n’en accepte. Rien n’a été modifié.",
            next_step: "Revenez à l’application et connectez-vous de nouveau. Si cela se reproduit, prévenez le service informatique de votre entreprise.",
        },
        client_id: Explained {
            title: WRONG_REQUEST,
            explanation: "La connexion est impossible\u{a0}: le paramètre client_id manque ou n’est pas valable.",
            next_step: "Pour la personne qui gère l’application\u{a0}: envoyez le client_id que l’API d’administration a donné lors de l’enregistrement de l’application.",
        },
        redirect_uri: Explained {
            title: WRONG_REQUEST,
            explanation: "La connexion est impossible\u{a0}: le paramètre redirect_uri manque ou n’est pas valable.",
            next_step: "Pour la personne qui gère l’application\u{a0}: envoyez un seul redirect_uri, celui qui est enregistré.",
        },
        unknown_client: Explained {
            title: WRONG_REQUEST,
            explanation: "La connexion est impossible\u{a0}: le client est inconnu.",
            next_step: "Pour la personne qui gère l’application\u{a0}: envoyez le client_id que l’API d’administration a donné lors de l’enregistrement de l’application.",
        },
        request_uri: Explained {
            title: WRONG_REQUEST,
            explanation: "La connexion est impossible\u{a0}: le request_uri est inconnu, trop ancien ou déjà utilisé.",
            next_step: "Revenez à l’application et connectez-vous de nouveau.",
        },
        unregistered_redirect_uri: Explained {
            title: WRONG_REQUEST,
            explanation: "La connexion est impossible\u{a0}: le redirect_uri n’est pas enregistré pour ce client.",
            next_step: "Pour la personne qui gère l’application\u{a0}: enregistrez exactement ce redirect_uri, octet par octet, pour l’application.",
        },
        logout_parameters: Explained {
            title: WRONG_LOGOUT,
            explanation: "La déconnexion n’a pas eu lieu\u{a0}: un paramètre est trop long, ou il est présent deux fois.",
            next_step: SHOW_APPLICATION,
        },
        logout_hint: Explained {
            title: WRONG_LOGOUT,
            explanation: "La déconnexion n’a pas eu lieu\u{a0}: l’id_token_hint n’est pas un jeton de ce service.",
            next_step: SHOW_APPLICATION,
        },
        logout_other_client: Explained {
            title: WRONG_LOGOUT,
            explanation: "La déconnexion n’a pas eu lieu\u{a0}: l’id_token_hint a été émis pour un autre client.",
            next_step: SHOW_APPLICATION,
        },
        logout_unknown_client: Explained {
            title: WRONG_LOGOUT,
            explanation: "La déconnexion n’a pas eu lieu\u{a0}: post_logout_redirect_uri exige un client_id ou un id_token_hint.",
            next_step: SHOW_APPLICATION,
        },
        logout_unregistered_uri: Explained {
            title: WRONG_LOGOUT,
            explanation: "La déconnexion n’a pas eu lieu\u{a0}: le post_logout_redirect_uri n’est pas enregistré pour ce client.",
            next_step: SHOW_APPLICATION,
        },
    },
};
