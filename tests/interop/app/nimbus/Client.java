// An application on com.nimbusds:oauth2-oidc-sdk, against an OpenID Provider on loopback.
//
// It authenticates by private_key_jwt (RFC 7523) and pushes each authorization request (RFC 9126).
// Environment: ISSUER, REDIRECT_URI, DOMAIN_HINT.
// It speaks by lines with its driver (see ../program.mjs): one line a check, and requests that are answered by one line of JSON.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.UUID;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.AuthorizationGrant;
import com.nimbusds.oauth2.sdk.AuthorizationRequest;
import com.nimbusds.oauth2.sdk.ErrorObject;
import com.nimbusds.oauth2.sdk.PushedAuthorizationRequest;
import com.nimbusds.oauth2.sdk.PushedAuthorizationResponse;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.JWTAuthenticationClaimsSet;
import com.nimbusds.oauth2.sdk.auth.PrivateKeyJWT;
import com.nimbusds.oauth2.sdk.id.Audience;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.RefreshToken;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponse;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.AccessTokenHash;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.claims.UserInfo;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;

final class Client {
    private static final Issuer ISSUER = new Issuer(System.getenv("ISSUER"));
    private static final URI REDIRECT_URI = URI.create(System.getenv("REDIRECT_URI"));
    private static final BufferedReader ANSWERS = new BufferedReader(new InputStreamReader(System.in));
    private static int failed;

    /** A check; what it gives back is shown beside its name. */
    private interface Check {
        String run() throws Exception;
    }

    /** A login that is under way, and the code that it brought back. */
    private record Login(CodeVerifier verifier, Nonce nonce, AuthorizationCode code) {
    }

    private record SignIn(OIDCTokens tokens, IDTokenClaimsSet claims) {
    }

    private OIDCProviderMetadata provider;
    private ClientID id;
    private ECKey key;
    private SignIn first;
    private OIDCTokens tokens;

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static Map<String, Object> ask(String request, String argument) throws Exception {
        say(request + " " + argument);
        String line = ANSWERS.readLine();
        if (line == null) {
            throw new IOException("the driver is gone");
        }
        return JSONObjectUtils.parse(line);
    }

    private static boolean check(String name, Check check) {
        try {
            String detail = check.run();
            say("ok " + name + (detail == null ? "" : " (" + detail + ")"));
            return true;
        } catch (Exception error) {
            failed += 1;
            say("FAIL " + name + ": " + String.valueOf(error).replace('\n', ' '));
            return false;
        }
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    private static void refused(TokenResponse response, String code) {
        require(!response.indicatesSuccess(), "taken");
        ErrorObject error = response.toErrorResponse().getErrorObject();
        require(code.equals(error.getCode()), "wanted " + code + ", got " + error.getHTTPStatusCode() + " " + error.getCode());
    }

    /** An assertion for the issuer alone, as IPSIE has it; the library's default names the endpoint. */
    private PrivateKeyJWT proof(ECKey with, String audience) throws Exception {
        JWTAuthenticationClaimsSet claims = new JWTAuthenticationClaimsSet(id, new Audience(audience));
        return new PrivateKeyJWT(claims, JWSAlgorithm.ES256, with.toECPrivateKey(), with.getKeyID(), null);
    }

    private static ECKey newKey() throws Exception {
        return new ECKeyGenerator(Curve.P_256).keyID(UUID.randomUUID().toString()).algorithm(JWSAlgorithm.ES256).keyUse(KeyUse.SIGNATURE).generate();
    }

    private void discover() throws Exception {
        provider = OIDCProviderMetadata.resolve(ISSUER);
        require(provider.getIssuer().equals(ISSUER), "another issuer");
        require(provider.getCodeChallengeMethods().equals(List.of(CodeChallengeMethod.S256)), "PKCE methods");
        require(provider.supportsAuthorizationResponseIssuerParam(), "RFC 9207");
        require(provider.getPushedAuthorizationRequestEndpointURI() != null, "no endpoint of RFC 9126");
        key = newKey();
        Map<String, Object> wish = Map.of(
            "name", "Java",
            "redirect_uris", List.of(REDIRECT_URI.toString()),
            "token_endpoint_auth_method", "private_key_jwt",
            "require_pushed_authorization_requests", true,
            "jwks", Map.of("keys", List.of(key.toPublicJWK().toJSONObject())));
        Map<String, Object> registered = ask("register", JSONObjectUtils.toJSONString(wish));
        require(registered.get("client_id") instanceof String, String.valueOf(registered.get("error")));
        id = new ClientID((String) registered.get("client_id"));
    }

    private AuthenticationRequest request(CodeVerifier verifier, State state, Nonce nonce) {
        return new AuthenticationRequest.Builder(ResponseType.CODE, new Scope("openid", "profile", "email", "offline_access"), id, REDIRECT_URI)
            .endpointURI(provider.getAuthorizationEndpointURI())
            .state(state)
            .nonce(nonce)
            .codeChallenge(verifier, CodeChallengeMethod.S256)
            .customParameter("domain_hint", System.getenv("DOMAIN_HINT"))
            .build();
    }

    private PushedAuthorizationResponse push(AuthorizationRequest request, PrivateKeyJWT proof) throws Exception {
        return PushedAuthorizationResponse.parse(new PushedAuthorizationRequest(provider.getPushedAuthorizationRequestEndpointURI(), proof, request).toHTTPRequest().send());
    }

    /** Pushes a request, lets the driver's browser walk, and reads what it brought back. */
    private Login login() throws Exception {
        CodeVerifier verifier = new CodeVerifier();
        State state = new State();
        Nonce nonce = new Nonce();
        PushedAuthorizationResponse pushed = push(request(verifier, state, nonce), proof(key, ISSUER.getValue()));
        require(pushed.indicatesSuccess(), "the pushed request was refused");
        URI reference = pushed.toSuccessResponse().getRequestURI();
        URI address = new AuthenticationRequest.Builder(reference, id).endpointURI(provider.getAuthorizationEndpointURI()).build().toURI();
        Map<String, Object> at = ask("open", address.toString());
        require(at.get("callback") != null, "the sign-in ended on a page with status " + at.get("status"));
        AuthenticationResponse answer = AuthenticationResponseParser.parse(URI.create((String) at.get("callback")));
        require(answer.indicatesSuccess(), "an error came back");
        require(state.equals(answer.getState()), "another state");
        require(ISSUER.equals(answer.getIssuer()), "another iss");
        return new Login(verifier, nonce, answer.toSuccessResponse().getAuthorizationCode());
    }

    private TokenResponse token(AuthorizationGrant grant) throws Exception {
        return token(grant, proof(key, ISSUER.getValue()));
    }

    private TokenResponse token(AuthorizationGrant grant, PrivateKeyJWT proof) throws Exception {
        return OIDCTokenResponseParser.parse(new TokenRequest(provider.getTokenEndpointURI(), proof, grant, null).toHTTPRequest().send());
    }

    private TokenResponse redeem(Login login, CodeVerifier verifier) throws Exception {
        return token(new AuthorizationCodeGrant(login.code(), REDIRECT_URI, verifier));
    }

    private TokenResponse refresh(RefreshToken token) throws Exception {
        return token(new RefreshTokenGrant(token));
    }

    private static OIDCTokens tokensOf(TokenResponse response) {
        require(response.indicatesSuccess(), response.indicatesSuccess() ? "" : String.valueOf(response.toErrorResponse().getErrorObject()));
        return ((OIDCTokenResponse) response.toSuccessResponse()).getOIDCTokens();
    }

    private IDTokenClaimsSet verify(OIDCTokens of, Nonce nonce) throws Exception {
        return new IDTokenValidator(ISSUER, id, JWSAlgorithm.ES256, provider.getJWKSetURI().toURL()).validate(of.getIDToken(), nonce);
    }

    private SignIn signIn() throws Exception {
        Login login = login();
        OIDCTokens got = tokensOf(redeem(login, login.verifier()));
        return new SignIn(got, verify(got, login.nonce()));
    }

    private UserInfoResponse userinfo(AccessToken token) throws Exception {
        return UserInfoResponse.parse(new UserInfoRequest(provider.getUserInfoEndpointURI(), token).toHTTPRequest().send());
    }

    private void unauthorized(AccessToken token) throws Exception {
        UserInfoResponse answer = userinfo(token);
        require(!answer.indicatesSuccess(), "userinfo answers");
        require(answer.toErrorResponse().getErrorObject().getHTTPStatusCode() == 401, "userinfo: wanted 401");
    }

    private static void setActive(boolean active) throws Exception {
        Map<String, Object> done = ask("active", String.valueOf(active));
        require(Boolean.TRUE.equals(done.get("done")), String.valueOf(done.get("error")));
    }

    private void run() {
        if (!check("discovery: the issuer, S256 only, RFC 9207 and RFC 9126; registered with a public key", () -> {
            discover();
            return null;
        })) {
            return;
        }
        if (!check("code flow: pushed request, private_key_jwt, PKCE S256, state, iss, ID token verified with its nonce", () -> {
            first = signIn();
            tokens = first.tokens();
            return null;
        })) {
            return;
        }
        check("ID token: at_hash is that of the access token", () -> {
            AccessTokenHash hash = first.claims().getAccessTokenHash();
            require(hash != null, "no at_hash");
            AccessTokenValidator.validate(tokens.getAccessToken(), JWSAlgorithm.ES256, hash);
            return null;
        });
        check("userinfo: the same sub, a verified address", () -> {
            UserInfoResponse answer = userinfo(tokens.getAccessToken());
            require(answer.indicatesSuccess(), "refused");
            UserInfo person = answer.toSuccessResponse().getUserInfo();
            require(person.getSubject().equals(first.claims().getSubject()), "another sub");
            require(person.getEmailAddress() != null && Boolean.TRUE.equals(person.getEmailVerified()), "email or email_verified");
            return null;
        });
        check("assertions: a foreign key, the endpoint as audience and a second use are refused", () -> {
            AuthorizationGrant grant = new RefreshTokenGrant(tokens.getRefreshToken());
            ECKey foreign = new ECKey.Builder(newKey()).keyID(key.getKeyID()).build();
            refused(token(grant, proof(foreign, ISSUER.getValue())), "invalid_client");
            refused(token(grant, proof(key, provider.getTokenEndpointURI().toString())), "invalid_client");
            PrivateKeyJWT once = proof(key, ISSUER.getValue());
            refused(token(new RefreshTokenGrant(new RefreshToken("no-such-token")), once), "invalid_grant");
            refused(token(grant, once), "invalid_client");
            return null;
        });
        check("authorize: what was not pushed is refused, and so is a reference used twice", () -> {
            URI direct = request(new CodeVerifier(), new State(), new Nonce()).toURI();
            Map<String, Object> at = ask("open", direct.toString());
            String said = String.valueOf(at.get("callback"));
            require(!said.contains("code="), "a code came back");
            PushedAuthorizationResponse pushed = push(request(new CodeVerifier(), new State(), new Nonce()), proof(key, ISSUER.getValue()));
            URI address = new AuthenticationRequest.Builder(pushed.toSuccessResponse().getRequestURI(), id).endpointURI(provider.getAuthorizationEndpointURI()).build().toURI();
            require(String.valueOf(ask("open", address.toString()).get("callback")).contains("code="), "the first use did not work");
            require(!String.valueOf(ask("open", address.toString()).get("callback")).contains("code="), "the second use worked");
            return null;
        });
        check("code: another verifier and a second use are refused, and the second use ends the first one's tokens", () -> {
            Login other = login();
            refused(redeem(other, new CodeVerifier()), "invalid_grant");
            Login login = login();
            OIDCTokens got = tokensOf(redeem(login, login.verifier()));
            refused(redeem(login, login.verifier()), "invalid_grant");
            unauthorized(got.getAccessToken());
            return null;
        });
        check("refresh: the refresh token rotates, the ID token names the same person", () -> {
            OIDCTokens next = tokensOf(refresh(tokens.getRefreshToken()));
            require(next.getRefreshToken() != null && !next.getRefreshToken().equals(tokens.getRefreshToken()), "not rotated");
            require(!next.getAccessToken().equals(tokens.getAccessToken()), "the same access token");
            if (next.getIDToken() != null) {
                require(verify(next, null).getSubject().equals(first.claims().getSubject()), "another sub");
            }
            tokens = next;
            require(userinfo(tokens.getAccessToken()).indicatesSuccess(), "userinfo");
            return null;
        });
        check("SCIM deactivates the person: userinfo and refresh fail, a new sign-in ends on a page", () -> {
            setActive(false);
            unauthorized(tokens.getAccessToken());
            refused(refresh(tokens.getRefreshToken()), "invalid_grant");
            try {
                login();
            } catch (IllegalStateException ended) {
                return ended.getMessage();
            }
            throw new IllegalStateException("signed in");
        });
        check("reactivated: nothing old comes back, a new sign-in works", () -> {
            setActive(true);
            refused(refresh(tokens.getRefreshToken()), "invalid_grant");
            unauthorized(tokens.getAccessToken());
            signIn();
            return null;
        });
    }

    public static void main(String[] arguments) {
        new Client().run();
        System.exit(failed > 0 ? 1 : 0);
    }
}
