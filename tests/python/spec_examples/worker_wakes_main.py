import stackless
log, M = [], stackless.main
def w(n): log.append(n)
def waker():
    log.append((M.scheduled, M.paused)); M.run(); log.append("waker again")
stackless.tasklet(waker)(); stackless.tasklet(w)("A")
print(stackless.run(), log, stackless.runcount)
print(stackless.run(), log)
