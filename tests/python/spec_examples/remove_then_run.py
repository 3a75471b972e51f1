import stackless
log = []
def w(n):
    log.append(n); stackless.schedule(); log.append(n.lower())
A, B, C = [stackless.tasklet(w)(n) for n in "ABC"]
B.remove(); B.run(); print(log)
stackless.run(); print(log)
