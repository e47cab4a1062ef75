// An application on github.com/coreos/go-oidc and golang.org/x/oauth2, against an OpenID Provider on loopback.
//
// Environment: ISSUER, REDIRECT_URI, DOMAIN_HINT.
// It speaks by lines with its driver (see ../program.mjs): one line a check, and requests that are answered by one line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

var (
	issuer      = os.Getenv("ISSUER")
	redirectURI = os.Getenv("REDIRECT_URI")
	answers     = bufio.NewReaderSize(os.Stdin, 1<<20)
	failed      int
)

// ask sends the driver a request and reads its answer into value.
func ask(value any, request string, argument string) error {
	fmt.Println(request, argument)
	line, err := answers.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, value)
}

// check runs one check and says how it went; detail is shown beside it.
func check(name string, run func() (string, error)) bool {
	detail, err := run()
	if err != nil {
		failed++
		fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return false
	}
	if detail != "" {
		name += " (" + detail + ")"
	}
	fmt.Println("ok", name)
	return true
}

type client struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	config   oauth2.Config
}

// started is a login that is under way.
type started struct {
	verifier, state, nonce string
}

// begin makes an authorization request with state, nonce and PKCE.
func (c *client) begin() (started, string) {
	login := started{oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()}
	return login, c.config.AuthCodeURL(login.state,
		oauth2.S256ChallengeOption(login.verifier),
		oidc.Nonce(login.nonce),
		oauth2.SetAuthURLParam("domain_hint", os.Getenv("DOMAIN_HINT")),
	)
}

// callback lets the driver's browser walk to address, and gives back what it brought to the redirect URI.
func callback(address string) (url.Values, error) {
	var at struct {
		Callback string
		Status   int
	}
	if err := ask(&at, "open", address); err != nil {
		return nil, err
	}
	if at.Callback == "" {
		return nil, fmt.Errorf("the sign-in ended on a page with status %d", at.Status)
	}
	parsed, err := url.Parse(at.Callback)
	if err != nil {
		return nil, err
	}
	return parsed.Query(), nil
}

// code is what a login brought back, after state and iss (RFC 9207) were compared.
func (c *client) code() (started, string, error) {
	login, address := c.begin()
	answer, err := callback(address)
	if err != nil {
		return login, "", err
	}
	if answer.Get("state") != login.state || answer.Get("iss") != issuer {
		return login, "", fmt.Errorf("state or iss: %v", answer)
	}
	return login, answer.Get("code"), nil
}

func (c *client) signIn(ctx context.Context) (*oauth2.Token, *oidc.IDToken, error) {
	login, code, err := c.code()
	if err != nil {
		return nil, nil, err
	}
	tokens, err := c.config.Exchange(ctx, code, oauth2.VerifierOption(login.verifier))
	if err != nil {
		return nil, nil, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	idToken, err := c.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, nil, err
	}
	if idToken.Nonce != login.nonce {
		return nil, nil, errors.New("another nonce")
	}
	return tokens, idToken, nil
}

func (c *client) refresh(ctx context.Context, token string) (*oauth2.Token, error) {
	return c.config.TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
}

func (c *client) userinfo(ctx context.Context, tokens *oauth2.Token) (*oidc.UserInfo, error) {
	return c.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
}

// refused is an OAuth error of that code, as the library reads it.
func refused(err error, code string) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) || answer.ErrorCode != code {
		return fmt.Errorf("wanted %s, got %v", code, err)
	}
	return nil
}

// unauthorized is what the library says of a 401 from userinfo.
func unauthorized(err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "401 ") {
		return fmt.Errorf("wanted 401, got %v", err)
	}
	return nil
}

func run(ctx context.Context) {
	var c client
	if !check("discovery: the issuer is the configured one, a client is made from the document", func() (string, error) {
		var err error
		if c.provider, err = oidc.NewProvider(ctx, issuer); err != nil {
			return "", err
		}
		wish, _ := json.Marshal(map[string]any{"name": "Go", "redirect_uris": []string{redirectURI}})
		var registered struct {
			ClientID     string `json:"client_id"`
			ClientSecret string `json:"client_secret"`
		}
		if err = ask(&registered, "register", string(wish)); err != nil {
			return "", err
		}
		c.config = oauth2.Config{
			ClientID:     registered.ClientID,
			ClientSecret: registered.ClientSecret,
			Endpoint:     c.provider.Endpoint(),
			RedirectURL:  redirectURI,
			Scopes:       []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
		}
		c.config.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
		c.verifier = c.provider.Verifier(&oidc.Config{ClientID: registered.ClientID})
		return "", nil
	}) {
		return
	}

	var tokens *oauth2.Token
	var idToken *oidc.IDToken
	if !check("code flow: PKCE S256, state, iss, ID token verified with its nonce", func() (detail string, err error) {
		tokens, idToken, err = c.signIn(ctx)
		return
	}) {
		return
	}
	check("ID token: at_hash is that of the access token", func() (string, error) {
		return "", idToken.VerifyAccessToken(tokens.AccessToken)
	})
	check("ID token: for another client it is refused", func() (string, error) {
		raw, _ := tokens.Extra("id_token").(string)
		if _, err := c.provider.Verifier(&oidc.Config{ClientID: "app_other"}).Verify(ctx, raw); err == nil {
			return "", errors.New("taken")
		}
		return "", nil
	})
	check("userinfo: the same sub, a verified address", func() (string, error) {
		person, err := c.userinfo(ctx, tokens)
		if err != nil {
			return "", err
		}
		if person.Subject != idToken.Subject || person.Email == "" || !person.EmailVerified {
			return "", fmt.Errorf("sub %q, email_verified %t", person.Subject, person.EmailVerified)
		}
		return "", nil
	})
	check("code: another verifier and a second use are refused, and the second use ends the first one's tokens", func() (string, error) {
		login, code, err := c.code()
		if err != nil {
			return "", err
		}
		_, err = c.config.Exchange(ctx, code, oauth2.VerifierOption(oauth2.GenerateVerifier()))
		if err = refused(err, "invalid_grant"); err != nil {
			return "", err
		}
		if login, code, err = c.code(); err != nil {
			return "", err
		}
		first, err := c.config.Exchange(ctx, code, oauth2.VerifierOption(login.verifier))
		if err != nil {
			return "", err
		}
		_, err = c.config.Exchange(ctx, code, oauth2.VerifierOption(login.verifier))
		if err = refused(err, "invalid_grant"); err != nil {
			return "", err
		}
		_, err = c.userinfo(ctx, first)
		return "", unauthorized(err)
	})
	check("refresh: the refresh token rotates, the ID token names the same person", func() (string, error) {
		next, err := c.refresh(ctx, tokens.RefreshToken)
		if err != nil {
			return "", err
		}
		if next.AccessToken == tokens.AccessToken || next.RefreshToken == "" || next.RefreshToken == tokens.RefreshToken {
			return "", errors.New("not rotated")
		}
		if raw, is := next.Extra("id_token").(string); is {
			again, err := c.verifier.Verify(ctx, raw)
			if err != nil {
				return "", err
			}
			if again.Subject != idToken.Subject {
				return "", errors.New("another sub")
			}
		}
		tokens = next
		_, err = c.userinfo(ctx, tokens)
		return "", err
	})
	set := func(active string) error {
		var done struct{ Done bool }
		if err := ask(&done, "active", active); err != nil {
			return err
		}
		if !done.Done {
			return errors.New("the directory did not")
		}
		return nil
	}
	check("SCIM deactivates the person: userinfo and refresh fail, a new sign-in ends on a page", func() (string, error) {
		if err := set("false"); err != nil {
			return "", err
		}
		_, err := c.userinfo(ctx, tokens)
		if err = unauthorized(err); err != nil {
			return "", fmt.Errorf("userinfo: %w", err)
		}
		_, err = c.refresh(ctx, tokens.RefreshToken)
		if err = refused(err, "invalid_grant"); err != nil {
			return "", fmt.Errorf("refresh: %w", err)
		}
		if _, _, err = c.code(); err == nil {
			return "", errors.New("signed in")
		}
		return err.Error(), nil
	})
	check("reactivated: nothing old comes back, a new sign-in works", func() (string, error) {
		if err := set("true"); err != nil {
			return "", err
		}
		_, err := c.refresh(ctx, tokens.RefreshToken)
		if err = refused(err, "invalid_grant"); err != nil {
			return "", err
		}
		_, err = c.userinfo(ctx, tokens)
		if err = unauthorized(err); err != nil {
			return "", err
		}
		_, _, err = c.signIn(ctx)
		return "", err
	})
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	run(ctx)
	if failed > 0 {
		os.Exit(1)
	}
}
