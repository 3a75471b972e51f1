import stackless
log = []
def w(n): log.append(n)
A, B, C = [stackless.tasklet(w)(n) for n in "ABC"]
print(B.run(), log, stackless.runcount)      # main is in the ring: it gets its turn before A
stackless.run(); log.clear()
A, B, C = [stackless.tasklet(w)(n) for n in "ABC"]
print(B.switch(), log, stackless.runcount)   # main floats: everything else runs first
log.clear()
A, B, C = [stackless.tasklet(w)(n) for n in "ABC"]
print(stackless.schedule_remove(7), log, stackless.runcount)
