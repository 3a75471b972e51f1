import stackless
log = []
def ok(n): log.append(n)
def bad(): raise ValueError("bad")
stackless.tasklet(ok)("A"); stackless.tasklet(bad)(); stackless.tasklet(ok)("B")
try: stackless.run()
except ValueError as e: print("caught", e, log, stackless.runcount)
print(stackless.run(), log)
