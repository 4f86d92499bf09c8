package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/parley-chat/parley"
)

const (
	setEpoch = `
		INSERT INTO current_epoch (epoch) VALUES ($1)
		ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch`

	// assignPositions gives offsets to the events that have none, in the order in
	// which they were drawn, and everything that follows from that. Events that one
	// transaction added to one conversation, one after the other, follow the first of
	// them at once: it held the conversation all the while, so nothing of it lies
	// between, and no cursor falls between a run's message and its end. What it returns is
	// small whatever the events hold: while it is sent the lock is held, and a node
	// that does not read must not keep the others waiting.
	assignPositions = `
		WITH waiting AS MATERIALIZED (
			SELECT draw, org, keys, max(begins) OVER (PARTITION BY writer, org ORDER BY draw) AS first FROM (
				SELECT *, CASE WHEN conversation = lag(conversation) OVER (PARTITION BY writer, org ORDER BY draw)
					THEN NULL ELSE draw END AS begins
				FROM (
					SELECT draw, org, conversation, keys, xmin::text AS writer
					FROM events WHERE pos IS NULL ORDER BY draw LIMIT $1
				) drawn
			) grouped
		), grown AS ( -- each org's head moves on by the number of its events; no two orgs share an epoch
			INSERT INTO orgs AS o (org, head, epoch)
			SELECT org, count(*), (SELECT epoch FROM current_epoch) # hashtextextended(org, 0) FROM waiting GROUP BY org
			ON CONFLICT (org) DO UPDATE SET head = o.head + excluded.head, epoch = excluded.epoch
			RETURNING org, head, epoch
		), numbered AS (
			SELECT draw, org, keys, count(*) OVER (PARTITION BY org) AS total,
				row_number() OVER (PARTITION BY org ORDER BY first, draw) AS nth
			FROM waiting
		), placed AS MATERIALIZED (
			SELECT n.draw, n.org, n.keys, n.nth, g.head - n.total + n.nth AS pos, g.epoch
			FROM numbered n JOIN grown g ON g.org = n.org
		), written AS (
			UPDATE events e SET pos = p.pos, epoch = p.epoch FROM placed p WHERE e.draw = p.draw
		), begun AS ( -- the first event of an org in an epoch
			INSERT INTO epochs (org, first, epoch)
			SELECT org, pos, epoch FROM placed p
			WHERE nth = 1 AND NOT EXISTS (SELECT FROM epochs x WHERE x.org = p.org AND x.epoch = p.epoch)
		), keyed AS (
			INSERT INTO event_keys (org, key, pos) SELECT org, key, pos FROM placed, unnest(keys) AS key
		), headed AS (
			INSERT INTO heads (org, key, last)
			SELECT org, key, max(pos) FROM placed, unnest(keys) AS key GROUP BY org, key
			ON CONFLICT (org, key) DO UPDATE SET last = excluded.last
		)
		SELECT draw, pos, epoch FROM placed ORDER BY pos`

	selectBodies = `SELECT draw, body FROM events WHERE draw = ANY($1)`
)

// Sequence implements parley.Log. A limit below 1 is 100. Where the connection
// breaks, events may have been given their Positions and be handed out to nobody:
// like those that another node handed out, they are found by reading the log.
func (s *Store) Sequence(ctx context.Context, limit int) ([]*parley.Event, error) {
	if limit <= 0 {
		limit = defaultPage
	}
	return s.seq.next(ctx, limit)
}

// sequencer is the connection that Sequence has to itself. Each time it has to be
// made anew the database may be another one, restored from a backup, so that each
// begins an epoch.
type sequencer struct {
	cfg *pgx.ConnConfig
	// slot holds one value while nobody uses the connection; whoever took it owns what
	// follows.
	slot chan struct{}
	conn *pgx.Conn // nil or closed where it has to be made

	life context.Context // ends with close
	end  context.CancelFunc
}

// newSequencer takes the pool's configuration of a connection. There is one good
// plan for assignPositions, by index from few rows; statistics taken at a bad
// moment, say while many events waited, must not talk the planner out of it.
func newSequencer(cfg *pgx.ConnConfig) *sequencer {
	cfg = cfg.Copy()
	for _, other := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin"} {
		cfg.RuntimeParams[other] = "off"
	}
	cfg.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	s := &sequencer{cfg: cfg, slot: make(chan struct{}, 1)}
	s.life, s.end = context.WithCancel(context.Background())
	s.slot <- struct{}{}
	return s
}

// open connects and begins an epoch.
func (s *sequencer) open(ctx context.Context) error {
	return s.use(ctx, func(context.Context, *pgx.Conn) error { return nil })
}

// close ends the call under way and the connection; later calls answer
// ErrUnavailable. A connection whose call was given up ends by itself, after it has
// asked the database to give up too; that is waited for.
func (s *sequencer) close() {
	s.end()
	<-s.slot
	defer func() { s.slot <- struct{}{} }()
	if s.conn == nil {
		return
	}
	_ = finish(context.Background(), func(ctx context.Context) error {
		_ = s.conn.Close(ctx) // nothing is done where it is ending
		select {
		case <-s.conn.PgConn().CleanupDone():
		case <-ctx.Done():
		}
		return nil
	})
}

// use calls fn with the connection, one caller at a time.
func (s *sequencer) use(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.life, func() { cancel(errClosed) })()
	select {
	case <-s.slot:
		defer func() { s.slot <- struct{}{} }()
	case <-ctx.Done():
		return unavailable("sequence", context.Cause(ctx))
	}
	if s.life.Err() != nil {
		return unavailable("sequence", errClosed)
	}
	if s.conn == nil || s.conn.IsClosed() {
		if err := s.connect(ctx); err != nil {
			return unavailable("sequence", err)
		}
	}
	return translate("sequence", s.conn, fn(ctx, s.conn))
}

var errClosed = errors.New("the store is closed")

// connect makes the connection and a new epoch the current one.
func (s *sequencer) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.cfg)
	if err != nil {
		return err
	}
	scanUTC(conn)
	b := &pgx.Batch{}
	b.Queue(lockSequence)
	b.Queue(setEpoch, int64(newEpoch()))
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return errors.Join(err, finish(ctx, conn.Close))
	}
	s.conn = conn
	return nil
}

// newEpoch draws the id of an epoch.
func newEpoch() parley.Epoch {
	for {
		if e := parley.Epoch(rand.Uint64()); e != 0 {
			return e
		}
	}
}

// next gives at most limit events their Positions and reads them.
func (s *sequencer) next(ctx context.Context, limit int) (events []*parley.Event, err error) {
	err = s.use(ctx, func(ctx context.Context, c *pgx.Conn) error {
		placed, err := assign(ctx, c, limit)
		if err != nil || len(placed) == 0 {
			return err
		}
		events, err = readPlaced(ctx, c, placed)
		return err
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// placedEvent is where the event with a draw was put.
type placedEvent struct {
	draw int64
	at   parley.Position
}

func scanPlaced(row pgx.CollectableRow) (p placedEvent, err error) {
	var epoch int64
	err = row.Scan(&p.draw, &p.at.Offset, &epoch)
	p.at.Epoch = parley.Epoch(epoch)
	return p, err
}

// assign gives Positions in one transaction, which is one exchange with the
// database: nothing this node does or fails to do can keep the lock.
func assign(ctx context.Context, c *pgx.Conn, limit int) ([]placedEvent, error) {
	b := &pgx.Batch{} // without a BEGIN the whole batch is one transaction
	b.Queue(lockSequence)
	b.Queue(assignPositions, limit) // a statement of its own, so that it sees what was committed until the lock was had
	results := c.SendBatch(ctx, b)
	_, err := results.Exec()
	var placed []placedEvent
	if err == nil {
		rows, _ := results.Query() // CollectRows answers the error
		placed, err = pgx.CollectRows(rows, scanPlaced)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr // the commit's
	}
	return placed, err
}

// readPlaced reads events in the order of placed.
func readPlaced(ctx context.Context, c *pgx.Conn, placed []placedEvent) ([]*parley.Event, error) {
	draws := make([]int64, len(placed))
	index := make(map[int64]int, len(placed))
	for i, p := range placed {
		draws[i], index[p.draw] = p.draw, i
	}
	events := make([]*parley.Event, len(placed))
	rows, _ := c.Query(ctx, selectBodies, draws) // ForEachRow answers the error
	var draw int64
	var body []byte
	_, err := pgx.ForEachRow(rows, []any{&draw, &body}, func() error {
		i := index[draw]
		e, err := parley.UnmarshalEvent(body)
		if err != nil {
			return fmt.Errorf("event at %d: %w", placed[i].at.Offset, err)
		}
		e.Position = placed[i].at
		events[i] = e
		return nil
	})
	if err != nil {
		return nil, err
	}
	return compact(events), nil
}

// compact leaves out what was trimmed between assignment and reading.
func compact(events []*parley.Event) []*parley.Event {
	kept := events[:0]
	for _, e := range events {
		if e != nil {
			kept = append(kept, e)
		}
	}
	return kept
}
