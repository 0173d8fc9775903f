-- The store of kvclef. Names and keys are bytes, for they may be any; amounts
-- are of 256 bits; times are nanoseconds of Unix time.

CREATE TABLE format (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	format  text        NOT NULL,
	version integer     NOT NULL,
	id      text        NOT NULL,
	created timestamptz NOT NULL
);
INSERT INTO format (format, version, id, created)
VALUES ('kvclef', 1, replace(gen_random_uuid()::text, '-', ''), date_trunc('second', now()));

-- The latest time seen, to a second: a clock that is set back forgets nothing early.
CREATE TABLE clock (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	latest bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO clock (latest) VALUES (0);

-- A process that has the store open. A higher generation shuts out what an
-- earlier connection of the process may still be about to write.
CREATE TABLE sessions (
	id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	replica    text        NOT NULL,
	generation bigint      NOT NULL DEFAULT 0,
	seen       timestamptz NOT NULL DEFAULT now()
);

CREATE SEQUENCE hold_id;

-- What counts against limits. The row of a counter is locked by whoever changes
-- its charges.
CREATE TABLE counters (
	id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name    bytea  NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 512),
	total   numeric(78, 0) NOT NULL DEFAULT 0,
	charges bigint NOT NULL DEFAULT 0,
	latest  bigint NOT NULL DEFAULT 0, -- the time of the last hold
	CHECK (total BETWEEN 0 AND 115792089237316195423570985008687907853269984665640564039457584007913129639935),
	CHECK (charges > 0 OR charges = 0 AND total = 0)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE charges (
	hold    bigint  NOT NULL,
	place   integer NOT NULL, -- in the hold
	counter bigint  NOT NULL,
	slot    bytea   NOT NULL, -- empty: a slot of its own
	amount  numeric(78, 0) NOT NULL CHECK (amount >= 0),
	expires bigint  NOT NULL,
	PRIMARY KEY (hold, place)
);
CREATE INDEX charges_by_expiry ON charges (counter, expires);
CREATE INDEX charges_by_slot ON charges (counter, slot, amount) WHERE slot <> '';

-- Holds that are not settled.
CREATE TABLE holds (
	id      bigint PRIMARY KEY,
	expires bigint NOT NULL -- of the last of its charges
);

CREATE TABLE records (
	key     bytea  PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 256),
	value   bytea  NOT NULL,
	changed bigint NOT NULL -- the mark
);
ALTER TABLE records ALTER value SET STORAGE EXTERNAL;
CREATE INDEX records_by_mark ON records (changed);

-- Records that were removed within the last day, for those who follow changes.
CREATE TABLE removed (
	key     bytea  PRIMARY KEY,
	changed bigint NOT NULL,
	at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX removed_by_mark ON removed (changed);

-- What records take. Its row is locked by whoever changes one, so that marks are
-- in the order in which changes are seen.
CREATE TABLE records_size (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	records bigint NOT NULL CHECK (records >= 0),
	bytes   bigint NOT NULL CHECK (bytes >= 0),
	mark    bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO records_size (records, bytes, mark) VALUES (0, 0, 0);

CREATE TABLE storage (
	key   bytea PRIMARY KEY CHECK (octet_length(key) BETWEEN 1 AND 1024),
	value bytea NOT NULL CHECK (octet_length(value) BETWEEN 1 AND 1048576)
);
CREATE TABLE storage_size (
	one   boolean PRIMARY KEY DEFAULT true CHECK (one),
	keys  bigint NOT NULL CHECK (keys >= 0),
	bytes bigint NOT NULL CHECK (bytes >= 0)
) WITH (fillfactor = 20);
INSERT INTO storage_size (keys, bytes) VALUES (0, 0);

CREATE TABLE attestations (
	kind        text  PRIMARY KEY,
	attestation jsonb NOT NULL
);

CREATE TABLE log_heads (
	replica text   NOT NULL,
	log     text   NOT NULL,
	seq     bigint NOT NULL,
	hash    text   NOT NULL,
	at      timestamptz NOT NULL,
	used    bigint GENERATED ALWAYS AS IDENTITY, -- the last one is the greatest
	PRIMARY KEY (replica, log)
);

-- now_or is a given time, or the database's.
CREATE FUNCTION now_or(p_now bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(p_now, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 1000)
$$;

-- expire takes off the charges of counters, whose rows are locked, that no longer
-- count; a bounded number at a time. It tells whether there are more.
CREATE FUNCTION expire(p_counters bigint[], p_now bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	cut bigint;
BEGIN
	SELECT c.expires INTO cut FROM charges c WHERE c.counter = ANY (p_counters) AND c.expires <= p_now
	ORDER BY c.expires OFFSET 16383 LIMIT 1;
	WITH gone AS (
		DELETE FROM charges c WHERE c.counter = ANY (p_counters) AND c.expires <= coalesce(cut, p_now)
		RETURNING c.counter, c.slot, c.amount
	), in_slots AS (
		SELECT g.counter, g.slot, max(g.amount) AS most, count(*) AS n FROM gone g WHERE g.slot <> '' GROUP BY g.counter, g.slot
	), less AS (
		SELECT g.counter, sum(g.amount) AS amount, count(*) AS n FROM gone g WHERE g.slot = '' GROUP BY g.counter
		UNION ALL
		SELECT s.counter, greatest(s.most - coalesce(r.most, 0), 0), s.n FROM in_slots s CROSS JOIN LATERAL (
			SELECT max(c.amount) AS most FROM charges c
			WHERE c.counter = s.counter AND c.slot = s.slot AND c.slot <> '' AND c.expires > coalesce(cut, p_now)
		) r
	), sums AS (
		SELECT l.counter, sum(l.amount) AS amount, sum(l.n) AS n FROM less l GROUP BY l.counter
	)
	UPDATE counters c SET total = c.total - s.amount, charges = c.charges - s.n FROM sums s WHERE c.id = s.counter;
	RETURN cut IS NOT NULL;
END
$$;

-- hold counts the charges of several holds, each hold wholly or not at all, in
-- their order. It returns a row for each: its id, or the place (from 1, of all
-- charges) of the one that is refused, with what is used of its counter and by how
-- much it would raise that; full tells that its slot is. No row at all asks for
-- the same call once more, since so many charges had expired.
CREATE FUNCTION hold(p_of integer[], p_counters bytea[], p_slots bytea[], p_amounts numeric[], p_caps numeric[], p_windows bigint[], p_now bigint)
RETURNS TABLE (item integer, id bigint, place bigint, used numeric, more numeric, full_slot boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	wanted bytea;
	found_id bigint;
	found_latest bigint;
	locked bigint[] := '{}';
	latest bigint := 0;
	floor_time bigint;
	moment bigint;
	any_held boolean := false;
	passed boolean := false;
	bad record;
	one integer;
BEGIN
	-- In the order of names, whoever asks: nobody waits for one who waits for him.
	FOR wanted IN SELECT DISTINCT u.n FROM unnest(p_counters) AS u (n) ORDER BY u.n LOOP
		LOOP
			SELECT c.id, c.latest INTO found_id, found_latest FROM counters c WHERE c.name = wanted FOR UPDATE;
			EXIT WHEN FOUND;
			INSERT INTO counters AS c (name) VALUES (wanted) ON CONFLICT (name) DO NOTHING RETURNING c.id, c.latest INTO found_id, found_latest;
			EXIT WHEN FOUND;
		END LOOP;
		locked := locked || found_id;
		latest := greatest(latest, found_latest);
	END LOOP;

	SELECT c.latest INTO STRICT floor_time FROM clock c;
	moment := greatest(now_or(p_now), latest, floor_time);
	IF p_now IS NOT NULL THEN
		passed := EXISTS (SELECT FROM charges c WHERE c.expires > floor_time AND c.expires <= moment);
	END IF;
	IF expire(locked, moment) THEN
		RETURN;
	END IF;

	FOR one IN SELECT DISTINCT u.n FROM unnest(p_of) AS u (n) ORDER BY u.n LOOP
		found_id := nextval('hold_id');
		WITH asked AS (
			SELECT a.place, c.id AS counter, c.total, a.slot, a.amount, a.cap,
				CASE WHEN a.span > 9223372036854775807 - moment THEN 9223372036854775807 ELSE moment + a.span END AS expires
			FROM unnest(p_of, p_counters, p_slots, p_amounts, p_caps, p_windows) WITH ORDINALITY AS a (item, counter, slot, amount, cap, span, place)
			JOIN counters c ON c.name = a.counter
			WHERE a.item = one
		), seen AS (
			SELECT a.*, coalesce(o.n, 0) + count(*) OVER earlier AS in_slot,
				greatest(coalesce(o.most, 0), coalesce(max(a.amount) OVER earlier, 0)) AS before
			FROM asked a LEFT JOIN LATERAL (
				SELECT count(*) AS n, max(c.amount) AS most FROM charges c
				WHERE c.counter = a.counter AND c.slot = a.slot AND c.slot <> ''
			) o ON a.slot <> ''
			WINDOW earlier AS (PARTITION BY a.counter, a.slot ORDER BY a.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
		), raised AS (
			SELECT s.*, CASE WHEN s.slot = '' THEN s.amount ELSE greatest(s.amount - s.before, 0) END AS more FROM seen s
		), summed AS (
			SELECT r.*, r.total + coalesce(sum(r.more) OVER (
				PARTITION BY r.counter ORDER BY r.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS used
			FROM raised r
		), refusal AS (
			SELECT s.place, s.used, s.more, s.slot <> '' AND s.in_slot >= 256 AS full_slot FROM summed s
			WHERE s.slot <> '' AND s.in_slot >= 256 OR s.more > 0 AND s.used + s.more > s.cap
			ORDER BY s.place LIMIT 1
		), put AS (
			INSERT INTO charges (hold, place, counter, slot, amount, expires)
			SELECT found_id, s.place, s.counter, s.slot, s.amount, s.expires FROM summed s WHERE NOT EXISTS (SELECT FROM refusal)
		), counted AS (
			UPDATE counters c SET total = c.total + t.more, charges = c.charges + t.n, latest = moment
			FROM (SELECT s.counter, sum(s.more) AS more, count(*) AS n FROM summed s GROUP BY s.counter) t
			WHERE c.id = t.counter AND NOT EXISTS (SELECT FROM refusal)
		), kept AS (
			INSERT INTO holds (id, expires) SELECT found_id, max(s.expires) FROM summed s HAVING NOT EXISTS (SELECT FROM refusal)
		)
		SELECT r.place, r.used, r.more, r.full_slot INTO bad FROM refusal r;
		item := one;
		IF FOUND THEN
			id := 0; place := bad.place; used := bad.used; more := bad.more; full_slot := bad.full_slot;
		ELSE
			any_held := true;
			id := found_id; place := 0; used := 0; more := 0; full_slot := false;
		END IF;
		RETURN NEXT;
	END LOOP;

	IF p_now IS NOT NULL THEN
		IF any_held OR passed THEN
			UPDATE clock c SET latest = moment WHERE c.latest < moment;
		END IF;
	ELSIF moment > floor_time + 1000000000 THEN
		-- Whoever is doing it does it for all.
		PERFORM FROM clock FOR UPDATE SKIP LOCKED;
		IF FOUND THEN
			UPDATE clock c SET latest = moment WHERE c.latest < moment;
		END IF;
	END IF;
	IF NOT any_held THEN -- nothing that must not be lost
		PERFORM set_config('synchronous_commit', 'off', true);
	END IF;
END
$$;

-- settle makes a hold one that can't be released; its charges stay. If that is
-- lost, the hold counts the same.
CREATE FUNCTION settle(p_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	DELETE FROM holds WHERE id = p_id;
	RETURN FOUND;
END
$$;

-- release takes off what is left of a hold.
CREATE FUNCTION release(p_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM holds WHERE id = p_id;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM FROM counters c WHERE c.id IN (SELECT h.counter FROM charges h WHERE h.hold = p_id) ORDER BY c.name FOR UPDATE;
	WITH gone AS (
		DELETE FROM charges c WHERE c.hold = p_id RETURNING c.counter, c.slot, c.amount
	), in_slots AS (
		SELECT g.counter, g.slot, max(g.amount) AS most, count(*) AS n FROM gone g WHERE g.slot <> '' GROUP BY g.counter, g.slot
	), less AS (
		SELECT g.counter, sum(g.amount) AS amount, count(*) AS n FROM gone g WHERE g.slot = '' GROUP BY g.counter
		UNION ALL
		SELECT s.counter, greatest(s.most - coalesce(r.most, 0), 0), s.n FROM in_slots s CROSS JOIN LATERAL (
			SELECT max(c.amount) AS most FROM charges c
			WHERE c.counter = s.counter AND c.slot = s.slot AND c.slot <> '' AND c.hold <> p_id
		) r
	), sums AS (
		SELECT l.counter, sum(l.amount) AS amount, sum(l.n) AS n FROM less l GROUP BY l.counter
	)
	UPDATE counters c SET total = c.total - s.amount, charges = c.charges - s.n FROM sums s WHERE c.id = s.counter;
	RETURN true;
END
$$;

-- sweep takes off what expired of counters after one, a bounded number of them,
-- forgets those that count nothing, and returns the last; null after the last
-- there is. It waits for nobody.
CREATE FUNCTION sweep(p_after bigint, p_now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	one record;
	last_id bigint;
	moment bigint := greatest(now_or(p_now), (SELECT latest FROM clock));
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	FOR one IN SELECT c.id FROM counters c WHERE c.id > p_after ORDER BY c.id LIMIT 100 LOOP
		last_id := one.id;
		PERFORM FROM counters c WHERE c.id = one.id FOR UPDATE SKIP LOCKED;
		IF FOUND THEN
			PERFORM expire(ARRAY[one.id], moment);
			-- The clock's latest time is later by now: it keeps the counter's.
			DELETE FROM counters c WHERE c.id = one.id AND c.charges = 0 AND c.latest < moment - 60000000000;
		END IF;
	END LOOP;
	RETURN last_id;
END
$$;

-- enter is what every change of records begins with: it keeps a newer generation
-- of the session waiting until it has ended, and does not happen after one.
CREATE FUNCTION enter(p_session integer, p_generation bigint, p_lock bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(p_lock);
	PERFORM FROM sessions s WHERE s.id = p_session AND s.generation = p_generation;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'kvclef: the session has another generation' USING ERRCODE = 'KV001';
	END IF;
END
$$;

-- shut_out ends a generation: when it has returned, each change of it was made or
-- never will be.
CREATE FUNCTION shut_out(p_session integer, p_lock bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	new_generation bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(p_lock);
	UPDATE sessions s SET generation = s.generation + 1 WHERE s.id = p_session RETURNING s.generation INTO new_generation;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'kvclef: the session is not known' USING ERRCODE = 'KV001';
	END IF;
	RETURN new_generation;
END
$$;

-- change makes the changes of several calls, each call wholly or not at all, in
-- their order, and returns a row for each that was refused: with the place of the
-- record that is not as expected, or 0 and what the records would take. The place
-- in a row of item -1 is the mark.
CREATE FUNCTION change(p_session integer, p_generation bigint, p_lock bigint, p_of integer[], p_keys bytea[], p_olds bytea[], p_news bytea[], p_records bigint, p_bytes bigint)
RETURNS TABLE (item integer, place bigint, records bigint, bytes bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	size record;
	more record;
	one integer;
	any_made boolean := false;
BEGIN
	PERFORM enter(p_session, p_generation, p_lock);
	SELECT s.records, s.bytes, s.mark INTO STRICT size FROM records_size s FOR UPDATE;
	size.mark := size.mark + 1;
	FOR one IN SELECT DISTINCT u.n FROM unnest(p_of) AS u (n) ORDER BY u.n LOOP
		item := one; place := 0; records := 0; bytes := 0;
		SELECT a.place INTO place FROM unnest(p_of, p_keys, p_olds) WITH ORDINALITY AS a (item, key, old, place)
		LEFT JOIN records r ON r.key = a.key
		WHERE a.item = one AND r.value IS DISTINCT FROM a.old ORDER BY a.place LIMIT 1;
		IF FOUND THEN
			RETURN NEXT;
			CONTINUE;
		END IF;
		SELECT count(a.new) - count(a.old) AS records,
			coalesce(sum(CASE WHEN a.new IS NULL THEN 0 ELSE octet_length(a.key) + octet_length(a.new) END), 0)
			- coalesce(sum(CASE WHEN a.old IS NULL THEN 0 ELSE octet_length(a.key) + octet_length(a.old) END), 0) AS bytes
		INTO more FROM unnest(p_of, p_keys, p_olds, p_news) AS a (item, key, old, new) WHERE a.item = one;
		IF size.records + more.records > greatest(p_records, size.records) OR size.bytes + more.bytes > greatest(p_bytes, size.bytes) THEN
			place := 0; records := size.records + more.records; bytes := size.bytes + more.bytes;
			RETURN NEXT;
			CONTINUE;
		END IF;
		WITH a AS (
			SELECT a.key, a.new FROM unnest(p_of, p_keys, p_olds, p_news) AS a (item, key, old, new)
			WHERE a.item = one AND a.old IS DISTINCT FROM a.new
		), taken AS (
			DELETE FROM records r USING a WHERE r.key = a.key AND a.new IS NULL
		), told AS (
			INSERT INTO removed (key, changed) SELECT a.key, size.mark FROM a WHERE a.new IS NULL
			ON CONFLICT (key) DO UPDATE SET changed = excluded.changed, at = now()
		), untold AS (
			DELETE FROM removed d USING a WHERE d.key = a.key AND a.new IS NOT NULL
		)
		INSERT INTO records (key, value, changed) SELECT a.key, a.new, size.mark FROM a WHERE a.new IS NOT NULL
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, changed = excluded.changed;
		size.records := size.records + more.records;
		size.bytes := size.bytes + more.bytes;
		any_made := true;
	END LOOP;
	IF any_made THEN
		UPDATE records_size s SET records = size.records, bytes = size.bytes, mark = size.mark;
		item := -1; place := size.mark; records := 0; bytes := 0;
		RETURN NEXT;
	ELSE
		PERFORM set_config('synchronous_commit', 'off', true);
	END IF;
END
$$;

-- store writes what a rule file put; an empty value is a deletion. If it is to
-- end the transaction, it gives back the lock that the session has when what was
-- written is seen.
CREATE FUNCTION store(p_lock bigint, p_keys bytea[], p_values bytea[], p_end boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	more record;
BEGIN
	PERFORM pg_advisory_xact_lock(p_lock); -- once more, until the end
	SELECT coalesce(sum(sign(octet_length(a.value))) - count(s.key), 0) AS keys,
		coalesce(sum(CASE WHEN a.value = '' THEN 0 ELSE octet_length(a.key) + octet_length(a.value) END)
		- sum(CASE WHEN s.key IS NULL THEN 0 ELSE octet_length(s.key) + octet_length(s.value) END), 0) AS bytes
	INTO more FROM unnest(p_keys, p_values) AS a (key, value) LEFT JOIN storage s ON s.key = a.key;
	DELETE FROM storage s USING unnest(p_keys, p_values) AS a (key, value) WHERE s.key = a.key AND a.value = '';
	INSERT INTO storage (key, value) SELECT a.key, a.value FROM unnest(p_keys, p_values) AS a (key, value) WHERE a.value <> ''
	ON CONFLICT (key) DO UPDATE SET value = excluded.value;
	UPDATE storage_size SET keys = keys + more.keys, bytes = bytes + more.bytes;
	IF p_end THEN
		PERFORM pg_advisory_unlock(p_lock);
	END IF;
END
$$;
