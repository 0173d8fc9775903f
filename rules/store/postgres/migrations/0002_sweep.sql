-- sweep takes off what expired of counters after one, and forgets those that count
-- nothing: a bounded number of counters, and of charges of all of them, for about a
-- second at most, since each stays locked until the end. It returns the last; null after the last there is. Of
-- a counter of which more has expired the rest is for another time. It waits for nobody.
CREATE OR REPLACE FUNCTION sweep(p_after bigint, p_now bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	one record;
	last_id bigint;
	before bigint;
	began timestamptz := clock_timestamp();
	room bigint := 16384; -- as many as expire takes off at a time
	moment bigint := greatest(now_or(p_now), (SELECT latest FROM clock));
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	FOR one IN SELECT c.id FROM counters c WHERE c.id > p_after ORDER BY c.id LIMIT 100 LOOP
		last_id := one.id;
		SELECT c.charges INTO before FROM counters c WHERE c.id = one.id FOR UPDATE SKIP LOCKED;
		IF FOUND THEN
			PERFORM expire(ARRAY[one.id], moment);
			room := room - before + (SELECT c.charges FROM counters c WHERE c.id = one.id);
			-- The clock's latest time is later by now: it keeps the counter's.
			DELETE FROM counters c WHERE c.id = one.id AND c.charges = 0 AND c.latest < moment - 60000000000;
			EXIT WHEN room <= 0 OR clock_timestamp() > began + interval '0.5 s';
		END IF;
	END LOOP;
	RETURN last_id;
END
$$;
