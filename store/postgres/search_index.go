package postgres

import (
	"context"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/words"
)

// A message has a number n, in the order of storing, and its words as terms. A term
// begins with the bucket of n, a range of numbers, and with the org: what begins
// with some letters is found without a look at what else the store holds, and the
// newest messages without a look at the older ones. A further term names the
// conversation.

// bucketBits says how many messages a bucket has. It is part of the schema,
// as message_terms.
const bucketBits = 12

func bucketPrefix(bucket int64) string { return fmt.Sprintf("%08x", bucket) }

var termAlphabet = base32.HexEncoding.WithPadding(base32.NoPadding)

// orgPrefix follows the bucket in all terms of an org. Two orgs may share one: what
// is found is still to be asked for its org.
func orgPrefix(org parley.OrgID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(org))
	return strings.ToLower(termAlphabet.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32())))
}

// conversationTerm names a conversation among words: none has the sign. Two
// conversations of an org may share one.
func conversationTerm(id parley.ConversationID) string {
	h := fnv.New64a()
	_, _ = h.Write(id[:])
	return "§" + strings.ToLower(termAlphabet.EncodeToString(h.Sum(nil)))
}

// maxTerms bounds the terms of a message, in bytes; a tsvector holds 1 MiB. A message
// of 64 KiB has less.
const maxTerms = 800 << 10

// termsBy are the terms of a message but for their bucket, each once; none where it
// has nothing to be found by.
func termsBy(org parley.OrgID, m *parley.Message) []string {
	if m.Deleted || m.Content == "" {
		return []string{}
	}
	prefix := orgPrefix(org)
	terms := []string{prefix + conversationTerm(m.Conversation)}
	seen := map[string]bool{}
	bytes := 0
	for _, w := range words.Split(m.Content) {
		if seen[w.Text] {
			continue
		}
		seen[w.Text] = true
		if bytes += len("00000000") + len(prefix) + len(w.Text); bytes > maxTerms {
			break
		}
		terms = append(terms, prefix+w.Text)
	}
	return terms
}

const (
	addTerms = `
		ALTER TABLE messages ADD COLUMN n bigint, ADD COLUMN terms tsvector;
		CREATE SEQUENCE messages_n CACHE 1;
		CREATE FUNCTION message_terms(n bigint, words text[]) RETURNS tsvector IMMUTABLE PARALLEL SAFE LANGUAGE sql
			AS $$ SELECT array_to_tsvector(ARRAY(SELECT lpad(to_hex(n >> 12), 8, '0') || word FROM unnest(words) AS word)) $$`

	// The order of storing is not known; that of ids is near it, and that of seqs is
	// kept within a conversation.
	declareStored = `
		DECLARE stored NO SCROLL CURSOR FOR
		SELECT org, conversation::text, seq, row_number() OVER (ORDER BY place, seq), body
		FROM (SELECT *, max(id::text COLLATE "C") OVER (PARTITION BY org, conversation ORDER BY seq) AS place FROM messages) m
		ORDER BY place, seq`

	fetchStored = `FETCH 1000 FROM stored`

	setTerms = `
		UPDATE messages m SET n = f.n, terms = f.terms::tsvector
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS f (org, conversation, seq, n, terms)
		WHERE m.org = f.org AND m.conversation = f.conversation::uuid AND m.seq = f.seq`

	// The list of what is not yet in its place in the index is kept short, for every
	// search reads all of it.
	indexTerms = `
		CLOSE stored;
		SELECT setval('messages_n', (SELECT coalesce(max(n), 0) + 1 FROM messages), false);
		ALTER TABLE messages ALTER COLUMN n SET NOT NULL, ALTER COLUMN terms SET NOT NULL;
		CREATE UNIQUE INDEX messages_number ON messages (n);
		CREATE INDEX messages_terms ON messages USING gin (terms) WITH (gin_pending_list_limit = 256)`
)

// searchMigration makes the index, and fills it with what was said before.
func searchMigration() *goose.Migration {
	return goose.NewGoMigration(3, &goose.GoFunc{RunTx: fillTerms}, nil)
}

func fillTerms(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range []string{addTerms, declareStored} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for n := 1; n > 0; {
		var err error
		if n, err = fillSome(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, indexTerms)
	return err
}

// fillSome gives the next messages their numbers and terms, and returns how many
// there were.
func fillSome(ctx context.Context, tx *sql.Tx) (int, error) {
	rows, err := tx.QueryContext(ctx, fetchStored)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var orgs, conversations, terms []string
	var seqs, numbers []int64
	for rows.Next() {
		var org, conversation string
		var seq, n int64
		var body []byte
		if err := rows.Scan(&org, &conversation, &seq, &n, &body); err != nil {
			return 0, err
		}
		var m parley.Message
		if err := json.Unmarshal(body, &m); err != nil {
			return 0, fmt.Errorf("body of message %d of %s: %w", seq, conversation, err)
		}
		orgs, conversations = append(orgs, org), append(conversations, conversation)
		seqs, numbers = append(seqs, seq), append(numbers, n)
		terms = append(terms, spellTerms(n, termsBy(parley.OrgID(org), &m)))
	}
	if err := rows.Err(); err != nil || len(orgs) == 0 {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, setTerms, orgs, conversations, seqs, numbers, terms)
	return len(orgs), err
}

// spellTerms is the tsvector of the message n, as text. Terms hold no quotes.
func spellTerms(n int64, terms []string) string {
	var b strings.Builder
	prefix := bucketPrefix(n >> bucketBits)
	for _, t := range terms {
		b.WriteString(`'` + prefix + t + `' `)
	}
	return b.String()
}
