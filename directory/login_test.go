package directory_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley"
)

func TestARefreshTokenIsGoodOnce(t *testing.T) {
	o := open(t)
	first := o.join()
	login := o.holder().Credential
	o.pass(20 * time.Minute)
	second, err := o.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken == first.RefreshToken || second.User.ID != first.User.ID || o.holder().Credential != login {
		t.Errorf("refreshed to %+v", second)
	}
	if second.User.LastSeen != o.now {
		t.Errorf("last seen %v, want %v", second.User.LastSeen, o.now)
	}
	// The first comes again, later than an answer is asked for again: somebody has it
	// who should not, and all of it ends.
	o.pass(31 * time.Second)
	_, err = o.Refresh(t.Context(), first.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
	if !slices.Equal(o.revoked, []string{login}) {
		t.Errorf("revoked %v, want %s", o.revoked, login)
	}
	_, err = o.Refresh(t.Context(), second.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
}

// Another device of the same user is not touched by what happens to the first.
func TestReuseEndsOneLogin(t *testing.T) {
	o := open(t)
	stolen := o.join().RefreshToken
	other := o.login().RefreshToken
	for range 2 {
		_, _ = o.Refresh(t.Context(), stolen)
		o.pass(time.Minute)
	}
	if len(o.revoked) != 1 {
		t.Fatalf("revoked %v", o.revoked)
	}
	if _, err := o.Refresh(t.Context(), other); err != nil {
		t.Errorf("the other login: %v", err)
	}
}

// A login that could not be ended is ended by the next use of the token.
func TestReuseIsNotForgottenWhileTheStoreIsAway(t *testing.T) {
	o := open(t)
	s := o.join()
	next, err := o.Refresh(t.Context(), s.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	o.pass(time.Minute)
	o.fail = errAway
	if _, err := o.Refresh(t.Context(), s.RefreshToken); !errors.Is(err, errAway) {
		t.Fatalf("error is %v", err)
	}
	o.fail = nil
	_, err = o.Refresh(t.Context(), s.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
	_, err = o.Refresh(t.Context(), next.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
}

func TestRefreshTokensExpireUnlessTheyAreUsed(t *testing.T) {
	o := open(t)
	token := o.join().RefreshToken
	for range 3 {
		o.pass(29 * 24 * time.Hour)
		s, err := o.Refresh(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		token = s.RefreshToken
	}
	o.pass(30 * 24 * time.Hour)
	_, err := o.Refresh(t.Context(), token)
	refused(t, err, parley.CodeUnauthenticated)
}

// Of many who refresh with one token at once, say tabs of one browser, all get on,
// with the same next token.
func TestConcurrentRefresh(t *testing.T) {
	o := open(t)
	token := o.join().RefreshToken
	var won []string
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := o.Refresh(t.Context(), token)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, s.RefreshToken)
			} else if parley.AsError(err).Code != parley.CodeUnauthenticated {
				t.Errorf("error is %v", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 8 || len(slices.Compact(won)) != 1 {
		t.Fatalf("they got %v", won)
	}
	if _, err := o.Refresh(t.Context(), won[0]); err != nil || len(o.revoked) > 0 {
		t.Errorf("the next token: %v, revoked %v", err, o.revoked)
	}
}

// Whoever lost an answer asks again, and gets it; but not once the new token was
// used, which somebody must have got.
func TestALostAnswerIsGivenAgain(t *testing.T) {
	o := open(t)
	first := o.join()
	second, err := o.Refresh(t.Context(), first.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		o.pass(10 * time.Second)
		again, err := o.Refresh(t.Context(), first.RefreshToken)
		if err != nil || again.RefreshToken != second.RefreshToken || again.AccessToken == "" {
			t.Fatalf("asked again: %+v, %v", again, err)
		}
	}
	third, err := o.Refresh(t.Context(), second.RefreshToken)
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Refresh(t.Context(), first.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
	_, err = o.Refresh(t.Context(), third.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
}

// A token of long ago is known as one, however many came since.
func TestATokenOfLongAgoIsReuse(t *testing.T) {
	o := open(t)
	stolen := o.join().RefreshToken
	token := stolen
	for range 5 {
		o.pass(time.Hour)
		s, err := o.Refresh(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		token = s.RefreshToken
	}
	_, err := o.Refresh(t.Context(), stolen)
	refused(t, err, parley.CodeUnauthenticated)
	_, err = o.Refresh(t.Context(), token)
	refused(t, err, parley.CodeUnauthenticated)
}

// The id of a login is in every access token, in logs and in the store: who knows no
// more ends nothing with it.
func TestAGuessEndsNobodysLogin(t *testing.T) {
	o := open(t)
	first := o.join().RefreshToken
	s, err := o.Refresh(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	good := s.RefreshToken
	id, secret, _ := strings.Cut(good, ".")
	for _, guess := range []string{
		id + "." + strings.Repeat("0", len(secret)),
		id + "." + strings.Repeat("0", len(secret)/2) + secret[len(secret)/2:],
		id + "." + strings.Repeat("0", len(secret)/2-1) + secret[len(secret)/2-1:],
	} {
		_, err := o.Refresh(t.Context(), guess)
		refused(t, err, parley.CodeUnauthenticated)
		if known, err := o.LogoutToken(t.Context(), guess); known || err != nil {
			t.Errorf("log out by a guess: %v, %v", known, err)
		}
	}
	if _, err := o.Refresh(t.Context(), good); err != nil || len(o.revoked) > 0 {
		t.Errorf("the good one: %v, revoked %v", err, o.revoked)
	}
	// A token that was good once is no guess.
	if known, err := o.LogoutToken(t.Context(), first); !known || err != nil {
		t.Errorf("log out by the first token: %v, %v", known, err)
	}
	_, err = o.Refresh(t.Context(), good)
	refused(t, err, parley.CodeUnauthenticated)
}

// Nobody who was disabled meanwhile gets an answer again.
func TestWhoIsDisabledGetsNoAnswerAgain(t *testing.T) {
	o := open(t)
	s := o.join()
	if _, err := o.Refresh(t.Context(), s.RefreshToken); err != nil {
		t.Fatal(err)
	}
	u, err := o.store.User(t.Context(), s.User.Org, s.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	u.DisabledAt = o.now
	if _, err := o.store.UpdateUser(t.Context(), u, u.Password, o.holder().Credential); err != nil {
		t.Fatal(err)
	}
	_, err = o.Refresh(t.Context(), s.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
}

func TestTokensThatAreNone(t *testing.T) {
	o := open(t)
	good := o.join().RefreshToken
	id, secret, _ := strings.Cut(good, ".")
	for _, token := range []string{
		"", ".", good[1:], good + "0", id, id + ".", "." + secret, strings.Repeat("x", 1<<16),
		strings.Repeat("0", len(id)) + "." + secret, strings.ToUpper(good), "\x00" + good[1:], strings.Repeat("'", len(good)),
	} {
		_, err := o.Refresh(t.Context(), token)
		refused(t, err, parley.CodeUnauthenticated)
		if known, err := o.LogoutToken(t.Context(), token); known || err != nil {
			t.Errorf("log out by %.20q: %v, %v", token, known, err)
		}
	}
	if _, err := o.Refresh(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestLogout(t *testing.T) {
	o := open(t)
	first := o.join()
	firstHolder := *o.holder()
	second := o.login()
	secondHolder := *o.holder()
	if err := o.Logout(t.Context(), &firstHolder); err != nil {
		t.Fatal(err)
	}
	_, err := o.Refresh(t.Context(), first.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
	if known, err := o.LogoutToken(t.Context(), second.RefreshToken); !known || err != nil {
		t.Fatal(known, err)
	}
	_, err = o.Refresh(t.Context(), second.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
	if want := []string{firstHolder.Credential, secondHolder.Credential}; !slices.Equal(o.revoked, want) {
		t.Errorf("revoked %v, want %v", o.revoked, want)
	}
	known, err := o.LogoutToken(t.Context(), second.RefreshToken)
	if known || errors.Join(err, o.Logout(t.Context(), &firstHolder)) != nil {
		t.Errorf("once more: %v, %v", known, err)
	}
}

// An API key that logs out is not revoked, nor can one user end another's login.
func TestLogoutEndsOnesOwnLoginOnly(t *testing.T) {
	o := open(t)
	s := o.join()
	login := o.holder().Credential
	for _, who := range []*parley.Principal{
		{Org: "org_demo", ID: s.User.ID, Kind: parley.KindService, Class: parley.ClassKey, Credential: login},
		{Org: "org_demo", ID: "eve", Kind: parley.KindUser, Class: parley.ClassAccess, Credential: login},
		{Org: "org_b", ID: s.User.ID, Kind: parley.KindUser, Class: parley.ClassAccess, Credential: login},
		{Org: "org_demo", ID: s.User.ID, Kind: parley.KindUser, Class: parley.ClassAccess, Credential: "another"},
		{Org: "org_demo", ID: s.User.ID, Kind: parley.KindUser, Class: parley.ClassAccess},
	} {
		if err := o.Logout(t.Context(), who); err != nil {
			t.Error(err)
		}
	}
	if len(o.revoked) > 0 {
		t.Errorf("revoked %v", o.revoked)
	}
	if _, err := o.Refresh(t.Context(), s.RefreshToken); err != nil {
		t.Error(err)
	}
}

func TestChangePasswordEndsTheOtherLogins(t *testing.T) {
	o := open(t)
	other := o.join()
	otherLogin := o.holder().Credential
	mine := o.login()
	me := *o.holder()
	refused(t, o.ChangePassword(t.Context(), &me, "wrong password", "battery staple"), parley.CodeUnauthenticated)
	refused(t, o.ChangePassword(t.Context(), &me, password, "short"), parley.CodeInvalidArgument)
	if err := o.ChangePassword(t.Context(), &me, password, "battery staple"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.revoked, []string{otherLogin}) {
		t.Errorf("revoked %v, want %s", o.revoked, otherLogin)
	}
	_, err := o.Refresh(t.Context(), other.RefreshToken)
	refused(t, err, parley.CodeUnauthenticated)
	if _, err := o.Refresh(t.Context(), mine.RefreshToken); err != nil {
		t.Errorf("the login that changed it: %v", err)
	}
	_, err = o.Login(t.Context(), "ada@example.com", password)
	refused(t, err, parley.CodeUnauthenticated)
	if _, err := o.Login(t.Context(), "ada@example.com", "battery staple"); err != nil {
		t.Error(err)
	}
}
