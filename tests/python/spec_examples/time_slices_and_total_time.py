import stackless
def busy():
    for i in range(1000000): pass
def polite():
    for i in range(2000): stackless.schedule()
b = stackless.tasklet(busy)()
p, q = stackless.tasklet(polite)(), stackless.tasklet(polite)()
v = stackless.run(2000, ignore_nesting=True)
print(v is b, b.paused, b.scheduled, p.scheduled, stackless.runcount)
print(stackless.run(2000, ignore_nesting=True), p.alive, q.alive)     # never exceed a slice
p, q = stackless.tasklet(polite)(), stackless.tasklet(polite)()
v = stackless.run(2000, totaltimeout=True, ignore_nesting=True)
print(v in (p, q), stackless.runcount); stackless.run(); v.kill()
b.insert()
print(stackless.run(2000, soft=True, ignore_nesting=True), b.alive)   # soft: at the next scheduling point
b = stackless.tasklet(busy)(); b.set_atomic(1)
print(stackless.run(2000, ignore_nesting=True), b.alive)              # atomic: not interruptible
