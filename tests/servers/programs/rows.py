"""rows.py PORT COUNT: pg8000; nobody goes on before all wait for the same lock."""

import sys
import threading
import time

import crowd
import pg8000.dbapi

port, count = int(sys.argv[1]), int(sys.argv[2])


def connect():
    return pg8000.dbapi.connect(user="tester", host="127.0.0.1", port=port, database="postgres", timeout=60)


keeper = connect()
keeper.autocommit = True
cursor = keeper.cursor()
cursor.execute("drop table if exists numbers")
cursor.execute("create table numbers (n integer primary key, square bigint, words text)")
cursor.execute("select pg_advisory_lock(7)")


def let_go():
    while True:
        cursor.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted")
        if cursor.fetchone()[0] == count:
            break
        time.sleep(0.1)
    cursor.execute("select pg_advisory_unlock(7)")


def job(n):
    connection = connect()
    mine = connection.cursor()
    mine.execute("select pg_advisory_lock_shared(7)")
    mine.execute("insert into numbers values (%s, %s, %s)", (n, n * n, "é" * n))
    connection.commit()
    mine.execute("select n, square, length(words), words = repeat('é', n) from numbers where n = %s", (n,))
    row = list(mine.fetchone())
    mine.execute("select sum(i * %s)::bigint from generate_series(1, 1000) i", (n,))
    total = mine.fetchone()[0]
    try:
        mine.execute("select 1 / (%s - %s)", (n, n))
    except pg8000.dbapi.DatabaseError as error:
        row.append(error.args[0]["C"])
    connection.rollback()
    connection.close()
    return [*row, total]


starter = threading.Thread(target=let_go)
starter.start()
crowd.together(count, job)
starter.join()
cursor.execute("select count(*), sum(square)::bigint from numbers")
assert list(cursor.fetchone()) == [count, sum(n * n for n in range(count))]
keeper.close()
